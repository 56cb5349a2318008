-- check_sessions: which of these sessions (id, epoch) are another instance's, or not kept any more
-- KEYS prefix
-- ARGV instance str
-- ARGV sessions list
-- RETURNS OK lost unkept

-- A record that is gone makes nobody else the owner: its data was lost, or it expired after the
-- caller was taken for dead. So will one that no beat renews any more.
local lost, unkept = {}, {}
for i = 1, #sessions, 2 do
  local id, epoch = sessions[i], sessions[i + 1]
  local held = redis.call('HMGET', prefix .. 'session:' .. id, 'epoch', 'owner')
  if held[1] and (held[1] ~= epoch or held[2] ~= instance) then
    lost[#lost + 1] = id
  elseif not held[1] or not redis.call('ZSCORE', prefix .. 'inst:' .. instance .. ':sessions', id) then
    unkept[#unkept + 1] = id
  end
end
return { 'OK', lost, unkept }
