-- locate_job: says who drives a job and where it stands, for an answer that came to another instance
-- KEYS prefix
-- ARGV instance str
-- ARGV job str
-- RETURNS OK state attempt node owner owner_is_alive trace
-- RETURNS LENT cell | GONE

local at = redis.call('HMGET', prefix .. 'job:' .. job,
  'state', 'attempt', 'node', 'owner', 'trace', 'cell')
if at[6] then
  return { 'LENT', at[6] }
elseif not at[1] then
  return { 'GONE' }
end
local is_alive = redis.call('EXISTS', prefix .. 'inst:' .. at[4])
return { 'OK', at[1], at[2], at[3], at[4], is_alive, at[5] or '' }
