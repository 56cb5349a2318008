-- A job's record and its slot. Needs lib/clock.lua, lib/node.lua. A slot is a turn of a session in
-- one language: taken with the turn's first open job at a node, freed with its last.

local FINAL = { done = true, empty = true, failed = true, cancelled = true }
local MAX_INDEXED = 10000 -- final jobs kept in each state index

local function load_job(id)
  local values = redis.call('HMGET', prefix .. 'job:' .. id,
    'state', 'attempt', 'node', 'owner', 'session', 'index', 'language', 'requirement', 'preference',
    'turn', 'turned', 'pin', 'clock', 'job_ms', 'deadline', 'due', 'excluded', 'created_at',
    'assigned_at')
  if not values[1] then
    return nil
  end
  return {
    id = id,
    state = values[1],
    attempt = tonumber(values[2]),
    node = values[3],
    owner = values[4],
    session = values[5],
    index = values[6],
    language = values[7],
    requirement = values[8],
    preference = values[9],
    slot = values[5] .. '|' .. values[10] .. '|' .. values[7],
    turned = values[11] == '1',
    pin = values[12],
    clock = values[13],
    job_ms = tonumber(values[14]),
    deadline = tonumber(values[15]),
    due = tonumber(values[16]),
    excluded = values[17],
    created_at = tonumber(values[18]),
    assigned_at = tonumber(values[19]),
  }
end

-- Adds the job to its slot; takes the slot when the turn holds none there.
local function occupy(node, slot, id)
  if redis.call('HSETNX', node.slots, slot, id) == 0 then
    redis.call('HSET', node.slots, slot, redis.call('HGET', node.slots, slot) .. ' ' .. id)
  end
  if node.state == 'offline' then
    redis.call('EXPIRE', node.slots, RECORD_TTL_S)
  end
end

-- Takes the job out of its slot; frees the slot when it was the turn's last open job there.
local function vacate(slots, slot, id)
  local open = redis.call('HGET', slots, slot)
  if open == id then
    redis.call('HDEL', slots, slot)
  elseif open then
    local kept = {}
    for other in string.gmatch(open, '%S+') do
      if other ~= id then
        kept[#kept + 1] = other
      end
    end
    redis.call('HSET', slots, slot, table.concat(kept, ' '))
  end
end

local function index_state(id, old, new)
  if old ~= new then
    redis.call('ZREM', prefix .. 'jobs:' .. old, id)
    redis.call('ZADD', prefix .. 'jobs:' .. new, int(now), id)
  end
end

local function set_due(job, due)
  job.due = due
  redis.call('ZADD', prefix .. 'inst:' .. job.owner .. ':jobs', int(due), job.id)
end

-- The segments of a turn that are open at a node live as long as its latest one.
local function extend_turn(node, slot, latest_id, due, deadline)
  local open = redis.call('HGET', node.slots, slot)
  if open == latest_id then
    return
  end
  for id in string.gmatch(open, '%S+') do
    if id ~= latest_id then
      local record = prefix .. 'job:' .. id
      local values = redis.call('HMGET', record, 'owner', 'deadline')
      if values[1] then
        local latest = int(math.max(tonumber(values[2]), deadline))
        redis.call('HSET', record, 'due', int(due), 'deadline', latest)
        redis.call('ZADD', prefix .. 'inst:' .. values[1] .. ':jobs', int(due), id)
      end
    end
  end
end

-- Makes the record final and takes the job out of every index; its slot or queue is left before.
local function finish_record(job, state, why, took_ms)
  redis.call('HSET', prefix .. 'job:' .. job.id, 'state', state, 'reason', why, 'ended_at', int(now),
    'due', '0', 'pin', '', 'processing_ms', int(took_ms))
  redis.call('ZREM', prefix .. 'inst:' .. job.owner .. ':jobs', job.id)
  redis.call('SREM', prefix .. 'session:' .. job.session .. ':jobs', job.id)
  redis.call('ZREM', prefix .. 'jobs:' .. job.state, job.id)
  redis.call('ZADD', prefix .. 'jobs:' .. state, int(now), job.id)
  redis.call('ZREMRANGEBYRANK', prefix .. 'jobs:' .. state, 0, -MAX_INDEXED - 1)
end

-- Adds an outcome without speech to what another instance may replay.
local function record_outcome(job, outcome, ttl_ms)
  local stream = prefix .. 'out:' .. job.session
  redis.call('XADD', stream, 'MAXLEN', 200, '*', 'job', job.id, 'index', job.index,
    'language', job.language, 'outcome', outcome)
  redis.call('PEXPIRE', stream, int(ttl_ms))
end

-- Where a job is now: what a lost reply said.
local function describe(word, job)
  local owner, epoch = '', '0'
  if job.node ~= '' then
    local node = redis.call('HMGET', prefix .. 'node:' .. job.node, 'owner', 'epoch')
    owner, epoch = node[1] or '', node[2] or '0'
  end
  return { word, job.id, job.state, job.attempt, job.node, owner, epoch, math.max(0, job.due - now) }
end
