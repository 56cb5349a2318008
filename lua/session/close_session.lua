-- close_session: forgets a session and its outcomes; its jobs are ended one by one by their owner
-- KEYS prefix
-- ARGV instance str
-- ARGV session str
-- ARGV epoch str
-- RETURNS OK | FENCED

local key = prefix .. 'session:' .. session
local current = redis.call('HMGET', key, 'epoch', 'owner')
-- Epoch 0: the owner heard it, and has forgotten.
local is_own = epoch == '0' and current[2] == instance
if current[1] and current[1] ~= epoch and not is_own then
  return { 'FENCED' }
end
redis.call('DEL', key, prefix .. 'out:' .. session)
redis.call('ZREM', prefix .. 'inst:' .. (current[2] or instance) .. ':sessions', session)
return { 'OK' }
