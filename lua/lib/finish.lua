-- The end of a job. Needs lib/clock.lua, node, slot, job.

local MAX_INDEXED = 5000 -- final jobs kept in each state's list, up to twice that

-- Makes the record final and takes the job out of every index; its slot or queue is left apart.
local function finish_record(job, state, why, took_ms)
  call('HSET', prefix .. 'job:' .. job.id, 'state', state, 'ended_at', now_text,
    'reason', why, 'processing_ms', took_ms)
  call('ZREM', prefix .. 'inst:' .. job.owner .. ':jobs', job.id)
  call('SREM', prefix .. 'session:' .. job.session .. ':jobs', job.id)
  if job.state ~= 'assigned' then
    call('ZREM', prefix .. 'jobs:' .. job.state, job.id)
  end
  local ended = prefix .. 'jobs:' .. state
  if call('LPUSH', ended, job.id) >= 2 * MAX_INDEXED then
    call('LTRIM', ended, 0, MAX_INDEXED - 1)
  end
end

-- Adds an outcome without speech to what another instance may replay. Cut 0: nobody can resume the
-- session, so nobody will; nor one that was closed or forgotten.
local function record_outcome(job, outcome, ttl_ms)
  if job.cut == '0' or call('EXISTS', prefix .. 'session:' .. job.session) == 0 then
    return
  end
  local stream = prefix .. 'out:' .. job.session
  call('XADD', stream, 'MAXLEN', 200, '*', 'job', job.id, 'index', job.index,
    'language', job.language, 'cut', job.cut, 'outcome', outcome)
  call('PEXPIRE', stream, int(ttl_ms))
end

-- Takes the job off its node; returns the node, to be served and placed, if it still has a record.
-- `answered`: the node itself ended the job, so it is not suspect any more.
local function leave_node(job, answered)
  vacate(job)
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
