-- forget_session: erases what is kept of a session whose instance is gone, its outcomes too
-- KEYS prefix
-- ARGV session str
-- RETURNS OK outcomes | OWNED | UNKNOWN

local key = prefix .. 'session:' .. session
local outcomes = redis.call('XLEN', prefix .. 'out:' .. session)
local owner = redis.call('HGET', key, 'owner')
if owner and redis.call('EXISTS', prefix .. 'inst:' .. owner) == 1 then
  return { 'OWNED' } -- that instance ends it: it holds text of it in memory
end
redis.call('DEL', key, prefix .. 'out:' .. session)
redis.call('ZREM', prefix .. 'orphans', session)
if not owner and outcomes == 0 then
  return { 'UNKNOWN' }
end
return { 'OK', outcomes }
