-- note_session: keeps what another instance would need to go on with a session
-- KEYS prefix
-- ARGV instance str
-- ARGV session str
-- ARGV epoch str
-- ARGV session_state str
-- ARGV tokens_from str
-- RETURNS OK | FENCED

local key = prefix .. 'session:' .. session
if redis.call('HGET', key, 'epoch') ~= epoch then
  return { 'FENCED' }
end
redis.call('HSET', key, 'state', session_state)
if tokens_from ~= '' then
  redis.call('HSET', key, 'tokens_from', tokens_from)
end
return { 'OK' }
