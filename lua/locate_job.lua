-- locate_job: says who drives a job and where it stands, for an answer that came to another instance
-- KEYS prefix
-- ARGV instance str
-- ARGV job str
-- RETURNS OK state attempt node owner | GONE

local job_at = redis.call('HMGET', prefix .. 'job:' .. job, 'state', 'attempt', 'node', 'owner')
if not job_at[1] then
  return { 'GONE' }
end
return { 'OK', job_at[1], job_at[2], job_at[3], job_at[4] }
