-- A job's whole record, and its place in the indexes. Needs lib/clock.lua, slot, job_head.

local function load_job(id)
  local values = call('HMGET', prefix .. 'job:' .. id,
    'state', 'attempt', 'node', 'owner', 'session', 'turn', 'language', 'index', 'cut', 'turned',
    'tenant', 'cap', 'due', 'deadline', 'job_ms', 'cost', 'requirement', 'preference', 'created_at',
    'assigned_at', 'pin', 'excluded', 'barred', 'weight', 'part')
  local job = head_from(id, values)
  if not job then
    return nil
  end
  job.due = tonumber(values[13])
  job.deadline = tonumber(values[14])
  job.job_ms = tonumber(values[15])
  job.cost = tonumber(values[16])
  job.requirement = values[17]
  job.preference = values[18]
  job.created_at = tonumber(values[19])
  job.assigned_at = tonumber(values[20])
  job.pin = values[21] or ''
  job.excluded = values[22] or ''
  job.barred = values[23] or ''
  job.weight = tonumber(values[24] or '1')
  job.part = values[25] or '0'
  return job
end

-- Moves the job between the indexes by state. An assigned job stands in none: it is among the jobs of
-- its owner, and neither queued nor running.
local function index_state(id, old, new)
  if old ~= new and old ~= 'assigned' then
    call('ZREM', prefix .. 'jobs:' .. old, id)
  end
  if old ~= new and new ~= 'assigned' then
    call('ZADD', prefix .. 'jobs:' .. new, now_text, id)
  end
end

local function set_due(job, due)
  job.due = due
  call('ZADD', prefix .. 'inst:' .. job.owner .. ':jobs', int(due), job.id)
end

-- Where a job is now: what a lost reply held.
local function describe(word, job)
  local owner, epoch = '', '0'
  if job.node ~= '' then
    local node = call('HMGET', prefix .. 'node:' .. job.node, 'owner', 'epoch')
    owner, epoch = node[1] or '', node[2] or '0'
  end
  local due = FINAL[job.state] and 0 or tonumber(call('HGET', prefix .. 'job:' .. job.id, 'due'))
  return { word, job.id, job.state, job.attempt, job.node, owner, epoch, math.max(0, due - now),
    job.turned and 1 or 0 }
end
