-- claim_guest: makes the owner of a session the one of its jobs in a cell that is not its home
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV session str
-- ARGV epoch int
-- ARGV ttl_s int
-- ARGV resumes int
-- RETURNS OK jobs outcomes | MOVED | FENCED
-- INCLUDE lib/clock.lua
-- INCLUDE lib/notes.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/slot.lua
-- INCLUDE lib/turn_slot.lua
-- INCLUDE lib/job_head.lua
-- INCLUDE lib/stream.lua
-- INCLUDE lib/job.lua
-- INCLUDE lib/tenant.lua
-- INCLUDE lib/queue.lua
-- INCLUDE lib/claim.lua

if call('EXISTS', prefix .. 'inst:' .. instance) == 0 then
  return { 'FENCED' }
end

-- The epoch is that of its home: whoever claimed the session there later is its owner.
local before = call('HMGET', session_key, 'epoch', 'owner')
if before[1] and tonumber(before[1]) > epoch then
  return { 'MOVED' }
end
call('HSET', session_key, 'epoch', int(epoch), 'owner', instance, 'ttl_s', int(ttl_s))
keep_with(before[2])
return { 'OK', take_jobs(), resumes == 1 and recorded_outcomes() or {} }
