-- Slots that several segments of a turn share. Needs lib/clock.lua, node, slot.

-- A node with this atom puts the segments of a turn together. Any other one takes each as a whole.
local JOINS_TURNS = 'x:joins'

-- Makes a segment a job of its own, with a slot of its own: its turn is not put together. `recorded`:
-- it has a record by now.
local function stand_alone(job, recorded)
  job.turned = false
  job.turn = job.turn .. '.' .. job.part
  job.slot = slot_of(job.session, job.turn, job.language)
  if recorded then
    call('HSET', prefix .. 'job:' .. job.id, 'turned', '0', 'turn', job.turn)
  end
end

-- The node that the first segment of a turn goes to decides whether its segments stay together. Once
-- they do not, they never do again.
local function settle_turn(job, node, recorded)
  if not job.turned then
    return
  end
  local turn_key = prefix .. 'turn:' .. job.slot
  local joins = call('HGET', turn_key, 'joins')
  if joins ~= '0' and has_atoms(node, JOINS_TURNS) then
    return
  end
  if joins ~= '0' then
    call('HSET', turn_key, 'joins', '0')
    call('HDEL', turn_key, 'node')
    call('EXPIRE', turn_key, RECORD_TTL_S)
  end
  stand_alone(job, recorded)
end

-- The attempt in which a turn's next segment begins at a node: that of what the turn has open there,
-- for the node knows the turn by a name of that attempt and puts only equal names together.
local function turn_attempt(node, slot, attempt)
  for id in string.gmatch(call('HGET', node.slots, slot) or '', '%S+') do
    local open = call('HGET', prefix .. 'job:' .. id, 'attempt')
    attempt = math.max(attempt, tonumber(open or '1'))
  end
  return attempt
end

-- Remembers the turn's node, and lets the turn's segments that are open there live as long as its
-- latest one.
local function follow_turn(node, slot, latest_id, due, deadline)
  local turn_key = prefix .. 'turn:' .. slot
  call('HSET', turn_key, 'node', node.id, 'joins', '1')
  call('EXPIRE', turn_key, RECORD_TTL_S)
  for id in string.gmatch(call('HGET', node.slots, slot), '%S+') do
    local record = prefix .. 'job:' .. id
    local values = id ~= latest_id and call('HMGET', record, 'owner', 'deadline')
    if values and values[1] then
      local latest = int(math.max(tonumber(values[2]), deadline))
      call('HSET', record, 'due', int(due), 'deadline', latest)
      call('ZADD', prefix .. 'inst:' .. values[1] .. ':jobs', int(due), id)
    end
  end
end
