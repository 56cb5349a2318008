-- Where a job that has no usual node goes, or waits. Needs lib/create.lua, choice, queue, turn.

-- Returns the node for the job, or nil when it must wait (in the queue, or pinned).
local function find_place(new)
  local excluded = new.excluded
  if new.turned then
    local turn_key = prefix .. 'turn:' .. new.slot
    if excluded ~= '' then
      call('HSET', turn_key, 'excluded', excluded)
      call('EXPIRE', turn_key, RECORD_TTL_S)
    end
    local place, node, pin = turn_place(new)
    if place == 'join' or (place == 'take' and not is_at_cap(new)) then
      return node
    elseif place == 'alone' then
      stand_alone(new, false) -- what its turn has left does not matter to it
    elseif place == 'any' then
      excluded = call('HGET', turn_key, 'excluded') or ''
    else
      new.pin = pin
      return nil
    end
  end
  if is_at_cap(new) then
    return nil
  end
  return usual_node(excluded)
    or choose_node(requirement, preference, excluded, session_record.slow)
end

local function create_queued(new)
  if new.turned then
    -- Segments that wait live as long as the latest segment of their turn.
    for id in string.gmatch(waiting_in_turn(new.slot), '%S+') do
      call('HSET', prefix .. 'job:' .. id, 'deadline', int(new.deadline))
    end
  end
  local wait = new.pin ~= '' and turn_wait_ms or pending_ms
  new.due = math.min(now + wait, new.deadline)
  write_record(new, 'queued', '', 'queued_at')
  enqueue(new)
  return queued_reply(new, {})
end
