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
-- RETURNS DUPLICATE job state attempt node instance epoch due_ms turned
-- RETURNS STALE attempt | GONE
-- FUNCTION
-- INCLUDE lib/clock.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/slot.lua
-- INCLUDE lib/job_head.lua
-- INCLUDE lib/finish.lua

local MIN_AUDIBLE_MS = 1000 -- in less a node may rightly find nothing

local ended = load_job_head(job)
if not ended then
  return { 'GONE' }
end
local freed, concerns_health = nil, false
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
    -- How well its nodes are is looked at where one of them has failed, or now found nothing.
    concerns_health = node ~= '' and freed ~= nil and (freed.health ~= '' or attempt > 1
      or (state == 'empty' and reason == 'silence_detected'))
    if not concerns_health and not next(released) and call('EXISTS', prefix .. 'qs', prefix .. 'pin:' .. freed.id) == 0 then
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

-- INCLUDE lib/stream.lua
-- INCLUDE lib/group.lua
-- INCLUDE lib/notes.lua
-- INCLUDE lib/health.lua
if concerns_health then
  local known = call('HMGET', prefix .. 'job:' .. job, 'erred', 'cost')
  if state == 'done' then
    if freed.health ~= '' then
      recover(freed)
      settle_node(freed)
    end
    if known[1] and known[1] ~= freed.id then
      settle_error(known[1], job, true)
    end
  elseif state == 'empty' and reason == 'silence_detected' and not ended.turned
    and tonumber(known[2]) >= MIN_AUDIBLE_MS then
    note_error(freed, ended, true)
    settle_node(freed)
  end
end

-- INCLUDE lib/choice.lua
-- INCLUDE lib/tenant.lua
-- INCLUDE lib/queue.lua
-- INCLUDE lib/reclaim.lua
-- INCLUDE lib/handover.lua
if freed then
  serve(freed)
elseif ended.state == 'queued' then
  dequeue(load_job(job))
end
serve_released()
return { 'OK', state, handed }
