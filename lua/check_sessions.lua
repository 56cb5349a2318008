-- check_sessions: which of these sessions (id, epoch) are not the caller's any more
-- KEYS prefix
-- ARGV instance str
-- ARGV sessions list
-- RETURNS OK lost

local lost = {}
for i = 1, #sessions, 2 do
  local key = prefix .. 'session:' .. sessions[i]
  local held = redis.call('HMGET', key, 'epoch', 'owner')
  if held[1] ~= sessions[i + 1] or held[2] ~= instance then
    lost[#lost + 1] = sessions[i]
  end
end
return { 'OK', lost }
