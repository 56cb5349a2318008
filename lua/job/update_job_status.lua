-- update_job_status: notes that the node has accepted or started a job
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV job str
-- ARGV attempt int
-- ARGV node str
-- ARGV step str
-- RETURNS OK
-- RETURNS DUPLICATE job state attempt node instance epoch due_ms turned
-- RETURNS STALE attempt | GONE
-- INCLUDE lib/clock.lua
-- INCLUDE lib/slot.lua
-- INCLUDE lib/turn_slot.lua
-- INCLUDE lib/job_head.lua
-- INCLUDE lib/job.lua

local current = load_job_head(job)
if not current then
  return { 'GONE' }
end
if FINAL[current.state] then
  return describe('DUPLICATE', current)
end
if current.attempt ~= attempt or current.owner ~= instance or current.node ~= node then
  return { 'STALE', current.attempt }
end

local key = prefix .. 'job:' .. job
local noted = call('HGET', key, step .. '_at')
if noted and noted ~= '0' then
  return describe('DUPLICATE', current)
end
call('HSET', key, step .. '_at', now_text)
if step == 'running' then
  call('HSET', key, 'state', 'running')
  index_state(job, current.state, 'running')
end
return { 'OK' }
