-- Waiting jobs. Needs lib/clock.lua, slot, job, tenant.
--
-- A queue holds those that wait for the same thing: a requirement, asked for by one instance, and not
-- at certain nodes. So any of its jobs may go to a node, or none. Queues are the leaves of a tree by
-- atoms: `qs` has the first atoms of all requirements that are waited for, `qs:a:en` what comes behind
-- `a:en` (`=`: nothing), `ql:a:en,s:es` the queues of that requirement; each with the earliest virtual
-- time below it. A node looks along its own atoms and finds the earliest at once, however much else
-- waits. There is one tree whose queues hold tenants, and under `of:{tenant}:` one for each tenant
-- whose queues hold its sessions; a session's own waiting jobs stand in `session:{id}:queued` in the
-- order of their utterances. A queue of the tenants has the tenant if the same queue of the tenant's
-- own tree has somebody, unless the tenant is parked.
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

-- Where the keys of a tenant's own tree begin; those of the tenants' tree begin with the prefix.
local function tree_of(tenant)
  return prefix .. 'of:' .. tenant .. ':'
end

-- Brings a tree in line with the head of a queue, as far up as that matters.
local function update_heads(tree, requirement, queue, is_entering)
  local root = tree .. 'qs'
  local path = requirement
  local changed = set_head(tree .. 'ql:' .. requirement, queue,
    tree .. 'q:' .. requirement .. queue, is_entering)
    and set_head(root .. ':' .. requirement, '=', tree .. 'ql:' .. requirement, is_entering)
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

local function enter(tree, requirement, queue, name, time)
  local key = tree .. 'q:' .. requirement .. queue
  call('ZADD', key, 'NX', int(time), name)
  call('EXPIRE', key, RECORD_TTL_S)
  update_heads(tree, requirement, queue, true)
end

local function leave(tree, requirement, queue, name)
  call('ZREM', tree .. 'q:' .. requirement .. queue, name)
  update_heads(tree, requirement, queue)
end

-- The tenant stands in the queue no more, or waits at the node (`@node`) in vain, until it gets a slot
-- back.
local function park(tenant, place)
  local parked = of_tenant(tenant, 'parked')
  call('SADD', parked, place)
  call('EXPIRE', parked, RECORD_TTL_S)
end

local woken = {} -- nodes that may have a slot for who had to wait for the tenant's own

-- The tenant stands in its queues again.
local function unpark(tenant)
  local parked = of_tenant(tenant, 'parked')
  for _, place in ipairs(call('SMEMBERS', parked)) do
    local requirement, queue = string.match(place, '^([^=]*)(=.*)$')
    if not requirement then
      woken[#woken + 1] = string.sub(place, 2)
    elseif call('EXISTS', tree_of(tenant) .. 'q:' .. place) == 1 then
      enter(prefix, requirement, queue, tenant, tenant_time(tenant, true))
    end
  end
  call('DEL', parked)
end

-- The session's first waiting job in a queue; jobs beyond their deadline only wait for their owner to
-- end them. At most as many are looked at as one session may have waiting.
local function first_in_queue(tenant, session, requirement, queue)
  local waiting = prefix .. 'session:' .. session .. ':queued'
  local from, width = 0, 1
  while true do
    local ids = call('ZRANGE', waiting, from, from + width - 1)
    for _, id in ipairs(ids) do
      local job = load_job(id)
      if not job or job.state ~= 'queued' then
        call('ZREM', waiting, id) -- its record is gone
        call('SREM', of_tenant(tenant, 'queued'), id)
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

-- The session stands in the queue of the job from now on, and its tenant; who did already stays where
-- it stands.
local function enter_queue(job, was_waiting)
  local clock = tonumber(call('HGET', prefix .. 'session:' .. job.session, 'clock') or '0')
  local queue = queue_of(job)
  enter(tree_of(job.tenant), job.requirement, queue, job.session, math.max(now, clock))
  local time = tenant_time(job.tenant, was_waiting)
  if is_at_cap(job) then
    park(job.tenant, job.requirement .. queue)
  else
    enter(prefix, job.requirement, queue, job.tenant, time)
  end
end

-- The session leaves the queue of a job that waits there no more, unless it has others there.
local function leave_queue(job)
  local queue = queue_of(job)
  if first_in_queue(job.tenant, job.session, job.requirement, queue) then
    return
  end
  local own = tree_of(job.tenant)
  leave(own, job.requirement, queue, job.session)
  if call('EXISTS', own .. 'q:' .. job.requirement .. queue) == 0 then
    leave(prefix, job.requirement, queue, job.tenant)
    if job.cap > 0 then
      call('SREM', of_tenant(job.tenant, 'parked'), job.requirement .. queue)
    end
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
  local of_all = of_tenant(job.tenant, 'queued')
  local was_waiting = call('EXISTS', of_all) == 1
  call('SADD', of_all, job.id)
  call('EXPIRE', of_all, RECORD_TTL_S)
  if job.pin ~= '' then
    local pinned = prefix .. 'pin:' .. job.pin
    call('ZADD', pinned, now_text, job.id)
    call('EXPIRE', pinned, RECORD_TTL_S)
    if is_at_cap(job) then
      park(job.tenant, '@' .. job.pin)
    end
    return
  end
  job.barred = exclusion(job)
  if job.barred ~= '' then
    call('HSET', prefix .. 'job:' .. job.id, 'barred', job.barred)
  end
  enter_queue(job, was_waiting)
end

local function remove_waiting(job)
  call('ZREM', prefix .. 'session:' .. job.session .. ':queued', job.id)
  call('SREM', of_tenant(job.tenant, 'queued'), job.id)
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

-- How many are served before the job, about: its session's turns come round with those of all
-- sessions of its tenant that wait for the same, and its tenant's with those of all tenants.
local function position_of(job)
  if job.pin ~= '' then
    return call('ZRANK', prefix .. 'pin:' .. job.pin, job.id)
  end
  local before = call('ZRANK', prefix .. 'session:' .. job.session .. ':queued', job.id)
  local function standing(tree)
    local count = 0
    for _, queue in ipairs(call('ZRANGE', tree .. 'ql:' .. job.requirement, 0, JOBS_PER_READ - 1)) do
      count = count + call('ZCARD', tree .. 'q:' .. job.requirement .. queue)
    end
    return count
  end
  local own, queue = tree_of(job.tenant), 'q:' .. job.requirement .. queue_of(job)
  local rank = before * standing(own) + (call('ZRANK', own .. queue, job.session) or 0)
  local tenants = math.max(1, standing(prefix))
  return rank * tenants + (call('ZRANK', prefix .. queue, job.tenant) or 0)
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
