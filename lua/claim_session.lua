-- claim_session: makes the caller the session's owner under a fresh epoch; its open jobs follow
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
-- RETURNS OK epoch jobs state outcomes | MOVED owner | GONE | FENCED
-- INCLUDE lib/clock.lua
-- INCLUDE lib/mailbox.lua

if call('EXISTS', prefix .. 'inst:' .. instance) == 0 then
  return { 'FENCED' }
end

-- Who claims says what it knows: the epoch under which it held the session, or found it.
local key = prefix .. 'session:' .. session
local before = call('HMGET', key, 'epoch', 'owner')
local former = before[2]
if former and former ~= instance and before[1] ~= known then
  return { 'MOVED', former }
elseif resumes == 1 and not former then
  return { 'GONE' }
end

local epoch = int(math.max(now, tonumber(before[1] or '0') + 1))
call('HSET', key, 'epoch', epoch, 'owner', instance, 'tenant', tenant, 'ttl_s', int(ttl_s))
if token_key ~= '' then
  call('HSET', key, 'token_key', token_key, 'profile', profile)
end
if session_state ~= '' then
  call('HSET', key, 'state', session_state)
end
call('EXPIRE', key, int(ttl_s))
if former and former ~= instance then
  call('ZREM', prefix .. 'inst:' .. former .. ':sessions', session)
  if call('EXISTS', prefix .. 'inst:' .. former) == 1 then
    post(former, 'kind', 'release', 'session', session, 'epoch', epoch, 'instance', instance)
  end
end
-- The beat renews the record when a third of its life has passed.
call('ZADD', prefix .. 'inst:' .. instance .. ':sessions', int(now + ttl_s * 1000 / 3), session)

-- Whether the node still is what it was when it got the job: on-line, and not registered since.
local function stays(node, assigned_at)
  return node[1] and node[1] ~= 'offline' and tonumber(node[3]) <= tonumber(assigned_at or '0')
end

-- Bounded by the session's queue bound and the nodes' capacity.
local jobs = {}
for _, id in ipairs(call('SMEMBERS', key .. ':jobs')) do
  local job = call('HMGET', prefix .. 'job:' .. id, 'owner', 'due', 'index', 'state', 'attempt',
    'node', 'deadline', 'assigned_at')
  if job[1] then
    if job[1] ~= instance then
      call('HSET', prefix .. 'job:' .. id, 'owner', instance)
      call('ZREM', prefix .. 'inst:' .. job[1] .. ':jobs', id)
      call('ZADD', prefix .. 'inst:' .. instance .. ':jobs', job[2], id)
    end
    local node = job[6] == '' and {}
      or call('HMGET', prefix .. 'node:' .. job[6], 'state', 'owner', 'epoch')
    jobs[#jobs + 1] = { id, session, job[3], job[4], job[5], instance, job[6], node[2] or '',
      stays(node, job[8]) and 1 or 0, math.max(0, job[2] - now), math.max(0, job[7] - now) }
  end
end
if resumes == 0 then
  return { 'OK', epoch, jobs, '', {} }
end

local outcomes = {}
for _, entry in ipairs(call('XRANGE', prefix .. 'out:' .. session, '-', '+')) do
  local fields = {}
  for n = 1, #entry[2], 2 do
    fields[entry[2][n]] = entry[2][n + 1]
  end
  outcomes[#outcomes + 1] = { fields.cut or '0', fields.job, fields.index, fields.language,
    fields.outcome }
end
return { 'OK', epoch, jobs, call('HGET', key, 'state') or '', outcomes }
