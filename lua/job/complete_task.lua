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
-- INCLUDE lib/slot.lua
-- INCLUDE lib/job_head.lua
-- INCLUDE lib/finish.lua

local ended = load_job_head(job)
if not ended then
  return { 'GONE' }
end
local freed = nil
if not FINAL[ended.state] then
  -- A job whose owner is dead is ended by whoever has its node: nobody else would free the slot.
  local is_driven_elsewhere = ended.owner ~= instance
    and call('EXISTS', prefix .. 'inst:' .. ended.owner) == 1
  if ended.attempt ~= attempt or is_driven_elsewhere or (node ~= '' and ended.node ~= node) then
    return { 'STALE', ended.attempt }
  end

  finish_record(ended, state, reason, processing_ms)
  if outcome ~= '' then
    record_outcome(ended, outcome, outcome_ttl_ms)
  end
  if ended.state ~= 'queued' then
    freed = leave_node(ended, node ~= '')
    if not freed and not next(released) then
      return { 'OK', state, {} }
    end
    -- Nearly always nothing waits, and the rest of the script is not even set up.
    if not next(released) and call('EXISTS', prefix .. 'qs', prefix .. 'pin:' .. freed.id) == 0 then
      place_node(freed)
      return { 'OK', state, {} }
    end
  end
end

-- INCLUDE lib/turn_slot.lua
-- INCLUDE lib/job.lua
if FINAL[ended.state] then
  if ended.state == 'empty' and state == 'done' and ended.attempt == attempt and ended.node == node
  then
    call('HSET', prefix .. 'job:' .. job, 'replaced', '1')
  end
  return describe('DUPLICATE', ended)
end

-- INCLUDE lib/choice.lua
-- INCLUDE lib/tenant.lua
-- INCLUDE lib/queue.lua
-- INCLUDE lib/notes.lua
-- INCLUDE lib/handover.lua
if freed then
  serve(freed)
elseif ended.state == 'queued' then
  dequeue(load_job(job))
end
serve_released()
return { 'OK', state, handed }
