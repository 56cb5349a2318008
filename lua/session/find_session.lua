-- find_session: what it takes to judge who asks to go on with a session; changes nothing
-- KEYS prefix
-- ARGV instance str
-- ARGV session str
-- RETURNS FOUND epoch owner token_key tokens_from profile | UNKNOWN

local found = redis.call('HMGET', prefix .. 'session:' .. session,
  'epoch', 'owner', 'token_key', 'tokens_from', 'profile')
if not found[1] or not found[3] then
  return { 'UNKNOWN' }
end
return { 'FOUND', found[1], found[2], found[3], found[4] or '', found[5] }
