-- locate_session: which instance has a session, and where that is reached; changes nothing
-- KEYS prefix
-- ARGV instance str
-- ARGV session str
-- RETURNS FOUND owner url | UNKNOWN others

-- An instance whose lease has lapsed may only be slow: it is gone when it has been cleared up after.
local owner = redis.call('HGET', prefix .. 'session:' .. session, 'owner')
if owner then
  local about = redis.call('HMGET', prefix .. 'inst:' .. owner, 'lease_ms', 'peer_url')
  if about[1] then
    return { 'FOUND', owner, about[2] or '' }
  end
  return { 'UNKNOWN', 0 }
end

-- A session that has only just begun may not have been entered yet, by one of so many.
local others = redis.call('ZCARD', prefix .. 'insts')
if redis.call('ZSCORE', prefix .. 'insts', instance) then
  others = others - 1
end
return { 'UNKNOWN', others }
