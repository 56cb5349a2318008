-- claim_session: makes the caller the owner of a session under a new epoch; its jobs follow
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV session str
-- ARGV tenant str
-- ARGV ttl_s int
-- ARGV known str
-- ARGV resumes int
-- ARGV token_key str
-- ARGV profile str
-- ARGV session_state str
-- RETURNS OK epoch jobs state outcomes guest_of | MOVED owner | GONE | FENCED
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

-- Who claims says what it knows: the epoch under which it held the session, or found it.
local before = call('HMGET', session_key, 'epoch', 'owner', 'guest_of')
local former = before[2]
if former and former ~= instance and before[1] ~= known then
  return { 'MOVED', former }
elseif resumes == 1 and not former then
  return { 'GONE' }
end

local epoch = int(math.max(now, tonumber(before[1] or '0') + 1))
call('HSET', session_key, 'epoch', epoch, 'owner', instance, 'tenant', tenant,
  'ttl_s', int(ttl_s))
if token_key ~= '' then
  call('HSET', session_key, 'token_key', token_key, 'profile', profile)
end
if session_state ~= '' then
  call('HSET', session_key, 'state', session_state)
end
keep_with(former)
if former and former ~= instance and call('EXISTS', prefix .. 'inst:' .. former) == 1 then
  post(former, 'kind', 'release', 'session', session, 'epoch', epoch, 'instance', instance)
end

local jobs, guest_of = take_jobs(), before[3] or ''
if resumes == 0 then
  return { 'OK', epoch, jobs, '', {}, guest_of }
end
local kept = call('HGET', session_key, 'state') or ''
return { 'OK', epoch, jobs, kept, recorded_outcomes(), guest_of }
