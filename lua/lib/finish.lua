-- The end of a job, wherever it is. Needs lib/clock.lua, node, choice, job, queue, handover.

-- Frees what the job holds at its node and hands it on. `answered`: the node itself ended the job,
-- so it is not suspect any more.
local function leave_node(job, answered)
  vacate(prefix .. 'node:' .. job.node .. ':slots', job.slot, job.id)
  local node = load_node(job.node)
  if not node then
    return
  end
  if answered and node.suspect then
    node.suspect = false
    redis.call('HSET', prefix .. 'node:' .. node.id, 'suspect', '0')
  end
  if node.overloaded > 0 and used_slots(node) == 0 then
    node.overloaded = 0
    redis.call('HSET', prefix .. 'node:' .. node.id, 'overloaded', '0')
  end
  serve(node)
end

local function finish(job, state, why, took_ms, answered)
  if job.state == 'queued' then
    dequeue(job)
    finish_record(job, state, why, took_ms)
  else
    finish_record(job, state, why, took_ms)
    leave_node(job, answered)
  end
end
