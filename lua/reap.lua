-- reap: one bounded step of clearing up after an instance whose lease has lapsed
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV dead str
-- ARGV limit int
-- RETURNS OK more finished jobs handovers | REVIVED | FENCED
-- INCLUDE lib/clock.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/group.lua
-- INCLUDE lib/slot.lua
-- INCLUDE lib/job.lua
-- INCLUDE lib/choice.lua
-- INCLUDE lib/queue.lua
-- INCLUDE lib/handover.lua
-- INCLUDE lib/offline.lua
-- INCLUDE lib/finish.lua

if call('EXISTS', prefix .. 'inst:' .. instance) == 0 then
  return { 'FENCED' }
end
local lease = call('ZSCORE', prefix .. 'insts', dead)
if dead == instance or (lease and tonumber(lease) > now) then
  return { 'REVIVED' }
end

local key = prefix .. 'inst:' .. dead
call('DEL', key) -- from here on it is fenced, until it beats again

local mine = {}
local nodes = call('SRANDMEMBER', key .. ':nodes', limit)
for _, id in ipairs(nodes) do
  local node = load_node(id)
  if node and node.owner == dead then
    for _, row in ipairs(take_offline(node)) do
      if row[6] == instance then
        mine[#mine + 1] = row
      end
    end
  end
  call('SREM', key .. ':nodes', id)
end

-- Waiting jobs lost their audio with their owner. Running ones keep their node until they are due:
-- a session that is claimed by then takes them along. The cursor passes over those kept.
local cursor = tonumber(call('GET', key .. ':reap') or '0')
local ids = call('ZRANGE', key .. ':jobs', cursor, cursor + limit - 1)
for _, id in ipairs(ids) do
  local job = load_job(id)
  if not job or FINAL[job.state] or job.owner ~= dead then
    call('ZREM', key .. ':jobs', id)
  elseif job.state == 'queued' or job.due <= now then
    finish_record(job, 'failed', 'instance_lost', 0)
    if job.state == 'queued' then
      dequeue(job)
    else
      local node = leave_node(job, false)
      if node then
        serve(node)
      end
    end
  else
    cursor = cursor + 1
  end
end

local more = #nodes == limit or #ids == limit
if more then
  call('SET', key .. ':reap', int(cursor), 'EX', 60)
else
  call('DEL', key .. ':reap')
end
local finished = not more and call('EXISTS', key .. ':jobs') == 0
if finished then
  call('ZREM', prefix .. 'insts', dead)
  call('DEL', key .. ':nodes', key .. ':sessions', key .. ':mbox')
end
return { 'OK', more and 1 or 0, finished and 1 or 0, mine, handed }
