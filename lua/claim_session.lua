-- claim_session: makes the caller the session's owner under a fresh epoch; its open jobs follow
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV session str
-- ARGV tenant str
-- ARGV ttl_s int
-- RETURNS OK epoch jobs | FENCED
-- INCLUDE lib/clock.lua

if call('EXISTS', prefix .. 'inst:' .. instance) == 0 then
  return { 'FENCED' }
end

local key = prefix .. 'session:' .. session
local before = call('HMGET', key, 'epoch', 'owner')
local epoch = int(math.max(now, tonumber(before[1] or '0') + 1))
call('HSET', key, 'epoch', epoch, 'owner', instance, 'tenant', tenant, 'ttl_s', int(ttl_s))
call('EXPIRE', key, int(ttl_s))
if before[2] and before[2] ~= instance then
  call('ZREM', prefix .. 'inst:' .. before[2] .. ':sessions', session)
end
-- The beat renews the record when a third of its life has passed.
call('ZADD', prefix .. 'inst:' .. instance .. ':sessions', int(now + ttl_s * 1000 / 3), session)

-- Bounded by the session's queue bound and the nodes' capacity.
local jobs = {}
for _, id in ipairs(call('SMEMBERS', key .. ':jobs')) do
  local job = call('HMGET', prefix .. 'job:' .. id, 'owner', 'due', 'index', 'state', 'attempt')
  if job[1] then
    if job[1] ~= instance then
      call('HSET', prefix .. 'job:' .. id, 'owner', instance)
      call('ZREM', prefix .. 'inst:' .. job[1] .. ':jobs', id)
      call('ZADD', prefix .. 'inst:' .. instance .. ':jobs', job[2], id)
    end
    jobs[#jobs + 1] = { id, session, job[3], job[4], job[5], instance }
  end
end
return { 'OK', epoch, jobs }
