-- Waiting jobs. Needs lib/clock.lua, slot, job.
--
-- A queue holds the sessions that wait for the same thing: a requirement, asked for by one instance,
-- and not at certain nodes. So any of its jobs may go to a node, or none. Sessions stand in it by their
-- virtual time; a session's own waiting jobs stand in `session:{id}:queued` in the order of their
-- utterances. The queues are the leaves of a tree by atoms: `qs` has the first atoms of all
-- requirements that are waited for, `qs:a:en` what comes behind `a:en` (`=`: nothing), `ql:a:en,s:es`
-- the queues of that requirement; each with the earliest virtual time below it. A node looks along its
-- own atoms and finds the earliest at once, however much else waits.
--
-- A job that waits for the node of its turn is pinned: it stands in that node's `pin` alone.

local JOBS_PER_READ = 16

-- Brings the entry of a child in line with the head of its own set; says whether that changed it.
local function set_head(parent, child, children, is_entering)
  local head = call('ZRANGE', children, 0, 0, 'WITHSCORES')
  if not head[1] then
    return call('ZREM', parent, child) == 1
  end
  local changed = call('ZADD', parent, 'CH', head[2], child) == 1
  if changed and (is_entering or now % 8 == 0) then -- where much waits it changes all the time
    call('EXPIRE', parent, RECORD_TTL_S)
  end
  return changed
end

-- Brings the tree in line with the head of a queue, as far up as that matters.
local function update_heads(requirement, queue, is_entering)
  local root = prefix .. 'qs'
  local path = requirement
  local changed = set_head(prefix .. 'ql:' .. requirement, queue,
    prefix .. 'q:' .. requirement .. queue, is_entering)
    and set_head(root .. ':' .. requirement, '=', prefix .. 'ql:' .. requirement, is_entering)
  while changed and path ~= '' do
    local before, atom = string.match(path, '^(.*),([^,]+)$')
    local parent = before and root .. ':' .. before or root
    changed = set_head(parent, atom or path, root .. ':' .. path, is_entering)
    path = before or ''
  end
end

local function queue_of(job)
  return '=' .. job.owner .. '=' .. job.barred
end

local function queue_key(job)
  return prefix .. 'q:' .. job.requirement .. queue_of(job)
end

-- The session's first waiting job in a queue; jobs beyond their deadline only wait for their owner to
-- end them. At most as many are looked at as one session may have waiting.
local function first_in_queue(session, requirement, queue)
  local waiting = prefix .. 'session:' .. session .. ':queued'
  local from, width = 0, 1
  while true do
    local ids = call('ZRANGE', waiting, from, from + width - 1)
    for _, id in ipairs(ids) do
      local job = load_job(id)
      if not job or job.state ~= 'queued' then
        call('ZREM', waiting, id) -- its record is gone
        from = from - 1
      elseif job.pin == '' and job.deadline > now and job.requirement == requirement
        and queue_of(job) == queue then
        return job
      end
    end
    if #ids < width then
      return nil
    end
    from, width = from + #ids, JOBS_PER_READ
  end
end

-- The session stands in the queue of the job from now on; if it did already, where it stands.
local function enter_queue(job)
  local clock = tonumber(call('HGET', prefix .. 'session:' .. job.session, 'clock') or '0')
  local queue = queue_key(job)
  call('ZADD', queue, 'NX', int(math.max(now, clock)), job.session)
  call('EXPIRE', queue, RECORD_TTL_S)
  update_heads(job.requirement, queue_of(job), true)
end

-- The session leaves the queue of a job that waits there no more, unless it has others there.
local function leave_queue(job)
  if not first_in_queue(job.session, job.requirement, queue_of(job)) then
    call('ZREM', queue_key(job), job.session)
    update_heads(job.requirement, queue_of(job))
  end
end

-- The waiting segments of a turn are remembered, first cut first: they move together.
local function waiting_in_turn(slot)
  return call('HGET', prefix .. 'turn:' .. slot, 'waiting') or ''
end

local function set_waiting_in_turn(slot, waiting)
  call('HSET', prefix .. 'turn:' .. slot, 'waiting', waiting)
  call('EXPIRE', prefix .. 'turn:' .. slot, RECORD_TTL_S)
end

-- Nodes that a waiting job must not get: its own, or all of its turn's.
local function exclusion(job)
  if job.turned then
    return call('HGET', prefix .. 'turn:' .. job.slot, 'excluded') or ''
  end
  return job.excluded
end

local function add_waiting(job)
  local waiting = prefix .. 'session:' .. job.session .. ':queued'
  call('ZADD', waiting, job.index, job.id)
  call('EXPIRE', waiting, RECORD_TTL_S)
  if job.pin ~= '' then
    local pinned = prefix .. 'pin:' .. job.pin
    call('ZADD', pinned, now_text, job.id)
    call('EXPIRE', pinned, RECORD_TTL_S)
    return
  end
  job.barred = exclusion(job)
  if job.barred ~= '' then
    call('HSET', prefix .. 'job:' .. job.id, 'barred', job.barred)
  end
  enter_queue(job)
end

local function remove_waiting(job)
  call('ZREM', prefix .. 'session:' .. job.session .. ':queued', job.id)
  if job.pin ~= '' then
    call('ZREM', prefix .. 'pin:' .. job.pin, job.id)
  else
    leave_queue(job)
  end
end

-- Puts the job into its queue (or its pin's); the record is the caller's to write.
local function enqueue(job)
  add_waiting(job)
  if job.turned then
    local waiting = without(waiting_in_turn(job.slot), job.id)
    set_waiting_in_turn(job.slot, waiting == '' and job.id or waiting .. ' ' .. job.id)
  end
end

local function dequeue(job)
  remove_waiting(job)
  if job.turned then
    set_waiting_in_turn(job.slot, without(waiting_in_turn(job.slot), job.id))
  end
end

-- The turn's waiting segments change queues: with what the turn excludes, or how long they live.
local function requeue_turn(slot)
  for id in string.gmatch(waiting_in_turn(slot), '%S+') do
    local job = load_job(id)
    if job and job.state == 'queued' then
      remove_waiting(job)
      add_waiting(job)
    end
  end
end

-- How many are served before the job, about: its session's turns come round with those of all that
-- wait for the same.
local function position_of(job)
  if job.pin ~= '' then
    return call('ZRANK', prefix .. 'pin:' .. job.pin, job.id)
  end
  local before = call('ZRANK', prefix .. 'session:' .. job.session .. ':queued', job.id)
  local sessions = 0
  for _, queue in ipairs(call('ZRANGE', prefix .. 'ql:' .. job.requirement, 0,
    JOBS_PER_READ - 1)) do
    sessions = sessions + call('ZCARD', prefix .. 'q:' .. job.requirement .. queue)
  end
  return before * sessions + (call('ZRANK', queue_key(job), job.session) or 0)
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
  local position = position_of(job)
  return { 'QUEUED', job.id, job.attempt, position, wait_estimate(job, position),
    math.max(0, job.due - now), handed }
end
