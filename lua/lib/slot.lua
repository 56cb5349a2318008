-- Slots. Needs lib/clock.lua. A slot is a turn of a session in one language: taken with the turn's
-- first open job at a node, freed with its last. `node:{id}:slots` maps it to its open jobs; what a
-- node has in use is the length of that map, so it cannot leak or be given back twice.

local function slot_of(session, turn, language)
  return session .. '|' .. turn .. '|' .. language
end

-- Adds the job to its slot; takes the slot when the turn holds none there. Returns slots gained.
local function occupy(node, slot, id)
  local gained = call('HSETNX', node.slots, slot, id)
  if gained == 0 then
    call('HSET', node.slots, slot, call('HGET', node.slots, slot) .. ' ' .. id)
  end
  if node.state == 'offline' then
    call('EXPIRE', node.slots, RECORD_TTL_S)
  end
  return gained
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

local function without(list, id)
  local kept = {}
  for other in string.gmatch(list, '%S+') do
    if other ~= id then
      kept[#kept + 1] = other
    end
  end
  return table.concat(kept, ' ')
end

-- Takes the job out of its slot; frees the slot when it was the turn's last open job there.
local function vacate(job)
  local slots = prefix .. 'node:' .. job.node .. ':slots'
  local open = job.turned and call('HGET', slots, job.slot) or job.id -- a lone job shares no slot
  if open == job.id then
    call('HDEL', slots, job.slot)
  elseif open then
    call('HSET', slots, job.slot, without(open, job.id))
  end
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
