-- Slots. Needs lib/clock.lua. A slot is a turn of a session in one language: taken with the turn's
-- first open job at a node, freed with its last. `node:{id}:slots` maps it to its open jobs; what a
-- node has in use is the length of that map, so it cannot leak or be given back twice. The slots of a
-- tenant that may use so many at most stand in `tenant:{id}:slots`, too.

local released = {} -- tenants of that kind of which a slot has been freed here

local function slot_of(session, turn, language)
  return session .. '|' .. turn .. '|' .. language
end

local function tenant_slots(tenant)
  return prefix .. 'tenant:' .. tenant .. ':slots'
end

local SLOTS_CHECKED = 4

-- Whether the job's tenant has as many slots as it may. What it holds may have lost its record: a few
-- are held against their nodes each time.
local function is_at_cap(job)
  if job.cap == 0 then
    return false
  end
  local key = tenant_slots(job.tenant)
  if call('SCARD', key) < job.cap then
    return false
  end
  for _, held in ipairs(call('SRANDMEMBER', key, SLOTS_CHECKED)) do
    local node, slot = string.match(held, '^(%S+) (.*)$')
    if call('HEXISTS', prefix .. 'node:' .. node .. ':slots', slot) == 0 then
      call('SREM', key, held)
    end
  end
  return call('SCARD', key) >= job.cap
end

-- Adds the job to its slot; takes the slot when the turn holds none there. Returns slots gained.
local function occupy(node, job)
  local slot, id = job.slot, job.id
  local gained = call('HSETNX', node.slots, slot, id)
  if gained == 0 then
    call('HSET', node.slots, slot, call('HGET', node.slots, slot) .. ' ' .. id)
  elseif job.cap > 0 then
    local held = tenant_slots(job.tenant)
    call('SADD', held, node.id .. ' ' .. slot)
    call('EXPIRE', held, RECORD_TTL_S)
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
    if job.cap > 0 then
      call('SREM', tenant_slots(job.tenant), job.node .. ' ' .. job.slot)
      released[job.tenant] = true
    end
  elseif open then
    call('HSET', slots, job.slot, without(open, job.id))
  end
end
