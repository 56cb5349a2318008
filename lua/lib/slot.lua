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
