-- Where the next segment of a turn goes. Needs lib/clock.lua, node, slot, turn_slot, job, choice.

-- Returns a word, a node and a pin: 'join' (the turn's slot there is used), 'take' (a free slot
-- there), 'pin' (it is on-line but full: wait for it), 'behind' (earlier segments wait: wait with
-- them, pinned as they are), 'any', or 'alone' (its turn is not put together).
local function turn_place(job)
  local turn = call('HMGET', prefix .. 'turn:' .. job.slot, 'node', 'waiting', 'excluded', 'joins')
  if turn[4] == '0' then
    return 'alone'
  end
  local first = turn[2] and string.match(turn[2], '%S+')
  if first and first ~= job.id then
    return 'behind', nil, call('HGET', prefix .. 'job:' .. first, 'pin') or ''
  end
  local node = turn[1] and load_node(turn[1])
  if not node or node.state == 'offline' then
    return 'any'
  end
  local excluded = turn[3] or ''
  if is_excluded(node.id, excluded)
    and effective_exclusion(job.requirement, excluded) ~= '' then
    return 'any'
  end
  -- A node may have registered otherwise since the turn came to it, and may have dropped the
  -- language: then the turn moves.
  if not has_atoms(node, JOINS_TURNS) or not has_atoms(node, job.requirement) then
    return 'any'
  elseif call('HEXISTS', node.slots, job.slot) == 1 then
    return 'join', node
  elseif not can_serve(node, job.requirement) or is_doubted(node) then
    return 'any'
  end
  return used_slots(node) < places(node) and 'take' or 'pin', node, node.id
end
