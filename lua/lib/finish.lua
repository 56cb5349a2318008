-- The end of a job. Needs lib/clock.lua, node, slot, job.

local MAX_INDEXED = 10000 -- final jobs kept in each state index, about

-- Makes the record final and takes the job out of every index; its slot or queue is left apart.
local function finish_record(job, state, why, took_ms)
  local record = prefix .. 'job:' .. job.id
  call('HSET', record, 'state', state, 'ended_at', now_text)
  if why ~= '' then
    call('HSET', record, 'reason', why)
  end
  if took_ms > 0 then
    call('HSET', record, 'processing_ms', int(took_ms))
  end
  call('ZREM', prefix .. 'inst:' .. job.owner .. ':jobs', job.id)
  call('SREM', prefix .. 'session:' .. job.session .. ':jobs', job.id)
  call('ZREM', prefix .. 'jobs:' .. job.state, job.id)
  call('ZADD', prefix .. 'jobs:' .. state, now_text, job.id)
  if now % 16 == 0 then
    call('ZREMRANGEBYRANK', prefix .. 'jobs:' .. state, 0, -MAX_INDEXED - 1)
  end
end

-- Adds an outcome without speech to what another instance may replay.
local function record_outcome(job, outcome, ttl_ms)
  local stream = prefix .. 'out:' .. job.session
  call('XADD', stream, 'MAXLEN', 200, '*', 'job', job.id, 'index', job.index,
    'language', job.language, 'cut', job.cut, 'outcome', outcome)
  call('PEXPIRE', stream, int(ttl_ms))
end

-- Takes the job off its node; returns the node, to be served and placed, if it still has a record.
-- `answered`: the node itself ended the job, so it is not suspect any more.
local function leave_node(job, answered)
  vacate(job.node, job.slot, job.id)
  local node = load_node(job.node)
  if not node then
    return nil
  end
  if answered and node.suspect then
    node.suspect = false
    call('HSET', prefix .. 'node:' .. node.id, 'suspect', '0')
  end
  if node.overloaded > 0 and used_slots(node) == 0 then
    node.overloaded = 0
    call('HSET', prefix .. 'node:' .. node.id, 'overloaded', '0')
  end
  return node
end
