-- reap: one bounded step of clearing up after an instance whose lease has lapsed
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV dead str
-- ARGV limit int
-- ARGV grace_ms int
-- RETURNS OK more finished jobs handovers | REVIVED | FENCED
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
-- INCLUDE lib/offline.lua
-- INCLUDE lib/finish.lua

local LOST = '{"reason":"instance_lost"}'

-- A process that starts clears up after a former one of its own name.
if dead ~= instance and call('EXISTS', prefix .. 'inst:' .. instance) == 0 then
  return { 'FENCED' }
end
local lease = call('ZSCORE', prefix .. 'insts', dead)
if lease and tonumber(lease) > now then
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

-- Whoever wants to go on with a session of the dead may, for as long as with one that lost its socket.
local sessions = call('ZRANGE', key .. ':sessions', 0, limit - 1)
for _, id in ipairs(sessions) do
  local session = prefix .. 'session:' .. id
  if call('HGET', session, 'owner') == dead then
    call('PEXPIRE', session, int(grace_ms))
    -- So that it can be found by its tenant, to be forgotten.
    call('ZADD', prefix .. 'orphans', int(now + grace_ms), id)
  end
  call('ZREM', key .. ':sessions', id)
end

if #sessions > 0 then
  call('ZREMRANGEBYSCORE', prefix .. 'orphans', '-inf', now_text)
  call('PEXPIRE', prefix .. 'orphans', int(grace_ms))
end

-- Waiting jobs lost their audio with their owner, unless the client can send it again. Running ones
-- keep their node until they are due. A session that is claimed by then takes them along; the cursor
-- passes over those kept.
local function is_lost(job)
  if job.due <= now then
    return true
  end
  return job.state == 'queued'
    and call('HEXISTS', prefix .. 'session:' .. job.session, 'token_key') == 0
end

local cursor = tonumber(call('GET', key .. ':reap') or '0')
local ids = call('ZRANGE', key .. ':jobs', cursor, cursor + limit - 1)
for _, id in ipairs(ids) do
  local job = load_job(id)
  if not job or FINAL[job.state] or job.owner ~= dead then
    call('ZREM', key .. ':jobs', id)
  elseif is_stream(id) then -- nobody will say the rest of it here
    local node = close_stream(job)
    if node then
      serve(node)
    end
  elseif is_lost(job) then
    finish_record(job, 'failed', 'instance_lost', 0)
    record_outcome(job, LOST, grace_ms)
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

local more = #nodes == limit or #ids == limit or #sessions == limit
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
