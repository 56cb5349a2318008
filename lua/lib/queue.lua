-- Waiting jobs: in the queue of their requirement, or pinned to the node of their turn. Needs
-- lib/clock.lua, slot, job. Queues are ordered by virtual time, `qs` by their heads.

local function update_head(requirement)
  local head = call('ZRANGE', prefix .. 'q:' .. requirement, 0, 0, 'WITHSCORES')
  if head[1] then
    call('ZADD', prefix .. 'qs', head[2], requirement)
    call('EXPIRE', prefix .. 'qs', RECORD_TTL_S)
  else
    call('ZREM', prefix .. 'qs', requirement)
  end
end

local function waiting_key(job)
  return prefix .. (job.pin ~= '' and 'pin:' .. job.pin or 'q:' .. job.requirement)
end

-- The waiting segments of a turn are remembered, first cut first: they move together.
local function waiting_in_turn(slot)
  return call('HGET', prefix .. 'turn:' .. slot, 'waiting') or ''
end

local function set_waiting_in_turn(slot, waiting)
  call('HSET', prefix .. 'turn:' .. slot, 'waiting', waiting)
  call('EXPIRE', prefix .. 'turn:' .. slot, RECORD_TTL_S)
end

-- Puts the job into its queue (or its pin's); the record is the caller's to write.
local function enqueue(job)
  local queue = waiting_key(job)
  call('ZADD', queue, job.clock, job.id)
  call('EXPIRE', queue, RECORD_TTL_S)
  if job.pin == '' then
    update_head(job.requirement)
  end
  local of_session = prefix .. 'session:' .. job.session .. ':queued'
  call('SADD', of_session, job.id)
  call('EXPIRE', of_session, RECORD_TTL_S)
  if job.turned then
    local waiting = without(waiting_in_turn(job.slot), job.id)
    set_waiting_in_turn(job.slot, waiting == '' and job.id or waiting .. ' ' .. job.id)
  end
end

local function dequeue(job)
  call('ZREM', waiting_key(job), job.id)
  if job.pin == '' then
    update_head(job.requirement)
  end
  call('SREM', prefix .. 'session:' .. job.session .. ':queued', job.id)
  if job.turned then
    set_waiting_in_turn(job.slot, without(waiting_in_turn(job.slot), job.id))
  end
end

-- How long the job will wait, from the pace at which its queue moved lately.
local function wait_estimate(job, position)
  local limit = math.max(0, job.due - now)
  local pace = call('HGET', prefix .. 'pace', job.requirement)
  local interval = pace and tonumber(string.match(pace, ' (%d+)$'))
  if not interval or job.pin ~= '' then
    return limit
  end
  return math.min(limit, (position + 1) * interval)
end

local function queued_reply(job, handed)
  local position = call('ZRANK', waiting_key(job), job.id)
  return { 'QUEUED', job.id, job.attempt, position, wait_estimate(job, position),
    math.max(0, job.due - now), handed }
end
