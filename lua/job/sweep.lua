-- sweep: reports what is due for one instance; lets penalties and marks lapse; repairs wake-ups
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV limit int
-- RETURNS OK due handovers next_due_ms
-- INCLUDE lib/clock.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/slot.lua
-- INCLUDE lib/stream.lua
-- INCLUDE lib/group.lua
-- INCLUDE lib/turn_slot.lua
-- INCLUDE lib/job_head.lua
-- INCLUDE lib/job.lua
-- INCLUDE lib/choice.lua
-- INCLUDE lib/tenant.lua
-- INCLUDE lib/queue.lua
-- INCLUDE lib/notes.lua
-- INCLUDE lib/reclaim.lua
-- INCLUDE lib/handover.lua

local MAX_LAPSES = 16
local MAX_GROUPS = 16
local MAX_RECORDS = 16
local MAX_SLOTS = 16
local MAX_NODES = 4 -- of a group: those that a job must not get may stand first

local function cause(state, pin, deadline)
  if deadline <= now then
    return 'deadline'
  elseif state ~= 'queued' then
    return 'job_timeout'
  end
  return (pin or '') ~= '' and 'turn_wait' or 'pending'
end

-- A node's marks and penalties lapse by time even when it says nothing.
for _, id in ipairs(call('ZRANGEBYSCORE', prefix .. 'lapses', '-inf', now_text,
  'LIMIT', 0, MAX_LAPSES)) do
  local node = load_node(id)
  if node then
    settle_node(node)
    serve(node)
  else
    call('ZREM', prefix .. 'lapses', id)
  end
end

-- No job waits beside a node that could take it, whatever was missed before. Where many groups have a
-- free slot each sweep tries some of them.
if call('EXISTS', prefix .. 'qs') == 1 then
  for _, gid in ipairs(call('ZRANDMEMBER', prefix .. 'groups:free', MAX_GROUPS)) do
    for _, id in ipairs(call('ZRANGE', prefix .. 'grp:' .. gid .. ':free', 0, MAX_NODES - 1)) do
      local node = load_node(id)
      if node then
        serve(node)
      end
    end
  end
end

-- Nor beside a stream that could give way.
if call('EXISTS', prefix .. 'qs') == 1 then
  for _, gid in ipairs(call('SRANDMEMBER', prefix .. 'groups:streaming', MAX_GROUPS)) do
    for _, entry in ipairs(call('ZREVRANGE', prefix .. 'grp:' .. gid .. ':streams', 0, MAX_NODES - 1)) do
      local node = load_node(string.match(entry, '^%S+'))
      if node then
        serve(node)
      end
    end
  end
end

-- What is oldest in an index may be what has lost its record.
for _, state in ipairs({ 'queued', 'running' }) do
  for _, id in ipairs(call('ZRANGE', prefix .. 'jobs:' .. state, 0, MAX_RECORDS - 1)) do
    if call('EXISTS', prefix .. 'job:' .. id) == 0 then
      call('ZREM', prefix .. 'jobs:' .. state, id)
    end
  end
end

-- A slot is taken by jobs that are at its node; what else stands there has lost its record. Some slots
-- of some of the caller's nodes are held against the records each time.
local function is_at(id, node)
  local at = call('HMGET', prefix .. 'job:' .. id, 'state', 'node')
  return (at[1] == 'assigned' or at[1] == 'running') and at[2] == node.id
end

for _, name in ipairs(call('SRANDMEMBER', prefix .. 'inst:' .. instance .. ':nodes', MAX_NODES)) do
  local node = load_node(name)
  local slots = node and call('HRANDFIELD', node.slots, MAX_SLOTS, 'WITHVALUES') or {}
  for n = 1, #slots, 2 do
    local kept = slots[n + 1]
    for id in string.gmatch(slots[n + 1], '%S+') do
      kept = is_at(id, node) and kept or without(kept, id)
    end
    if kept == '' then
      call('HDEL', node.slots, slots[n])
      serve(node)
    elseif kept ~= slots[n + 1] then
      call('HSET', node.slots, slots[n], kept)
    end
  end
end

-- What is due stays in the index until its owner has driven it on.
local index = prefix .. 'inst:' .. instance .. ':jobs'
local due = {}
for _, id in ipairs(call('ZRANGEBYSCORE', index, '-inf', now_text, 'LIMIT', 0, limit)) do
  local job = call('HMGET', prefix .. 'job:' .. id, 'state', 'attempt', 'pin', 'deadline', 'due',
    'index')
  if not job[1] or job[1] == 'done' or job[1] == 'empty' or job[1] == 'failed'
    or job[1] == 'cancelled' then
    call('ZREM', index, id)
  else
    due[#due + 1] = { id, job[1], tonumber(job[2]), cause(job[1], job[3], tonumber(job[4])),
      tonumber(job[5]), tonumber(job[6]) }
  end
end
-- Segments of a turn are due together; their owner moves them in the order of their cuts.
table.sort(due, function(one, other)
  if one[5] ~= other[5] then
    return one[5] < other[5]
  end
  return one[6] < other[6]
end)
local upcoming = call('ZRANGE', index, #due, #due, 'WITHSCORES')
local lapse_next = call('ZRANGE', prefix .. 'lapses', 0, 0, 'WITHSCORES')
local soonest = math.min(tonumber(upcoming[2]) or math.huge, tonumber(lapse_next[2]) or math.huge)
-- Where one was served others may wait beside free slots still: look again at once.
if served > 0 then
  soonest = now
end
local next_due_ms = soonest < math.huge and math.max(0, soonest - now) or -1
return { 'OK', due, handed, next_due_ms }
