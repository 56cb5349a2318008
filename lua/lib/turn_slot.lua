-- Slots that several segments of a turn share. Needs lib/clock.lua, slot.

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
  call('HSET', turn_key, 'node', node.id)
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
