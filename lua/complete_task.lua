-- complete_task: ends a job, frees its slot and hands the slot to the fairest waiting job
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV job str
-- ARGV attempt int
-- ARGV node str
-- ARGV state str
-- ARGV reason str
-- ARGV processing_ms int
-- ARGV outcome str
-- ARGV outcome_ttl_ms int
-- RETURNS OK state handovers
-- RETURNS DUPLICATE job state attempt node instance epoch due_ms
-- RETURNS STALE attempt | GONE
-- INCLUDE lib/clock.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/choice.lua
-- INCLUDE lib/job.lua
-- INCLUDE lib/queue.lua
-- INCLUDE lib/handover.lua
-- INCLUDE lib/finish.lua

local ended = load_job(job)
if not ended then
  return { 'GONE' }
end
if FINAL[ended.state] then
  if ended.state == 'empty' and state == 'done' and ended.attempt == attempt and ended.node == node
  then
    redis.call('HSET', prefix .. 'job:' .. job, 'replaced', '1')
  end
  return describe('DUPLICATE', ended)
end
if ended.attempt ~= attempt or ended.owner ~= instance or (node ~= '' and ended.node ~= node) then
  return { 'STALE', ended.attempt }
end

if outcome ~= '' then
  record_outcome(ended, outcome, outcome_ttl_ms)
end
finish(ended, state, reason, processing_ms, node ~= '')
return { 'OK', state, handed }
