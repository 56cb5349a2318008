-- record_session: keeps what another instance would need to go on with a session
-- KEYS prefix
-- ARGV instance str
-- ARGV session str
-- ARGV epoch str
-- ARGV session_state str
-- ARGV tokens_from str
-- ARGV outcome_ttl_ms int
-- ARGV heard list
-- RETURNS OK | FENCED

local key = prefix .. 'session:' .. session
if redis.call('HGET', key, 'epoch') ~= epoch then
  return { 'FENCED' }
end
redis.call('HSET', key, 'state', session_state)
if tokens_from ~= '' then
  redis.call('HSET', key, 'tokens_from', tokens_from)
end

-- What it has heard of others in a room stands among its own outcomes: number, key, index, outcome.
for n = 1, #heard, 4 do
  redis.call('XADD', prefix .. 'out:' .. session, 'MAXLEN', 200, '*', 'job', '', 'index',
    heard[n + 2], 'language', '', 'cut', heard[n], 'outcome', heard[n + 3], 'words', heard[n + 1])
end
if #heard > 0 then
  redis.call('PEXPIRE', prefix .. 'out:' .. session, string.format('%d', outcome_ttl_ms))
end
return { 'OK' }
