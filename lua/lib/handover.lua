-- Slots go to waiting jobs. Needs lib/clock.lua, mailbox, node, slot, job, choice, queue. What concerns
-- the calling instance is collected in `handed`, what concerns another goes to its mailbox.

local MAX_HANDOVERS = 64
local MAX_READS_PER_QUEUE = 4
local JOBS_PER_READ = 16
local QUEUES_PER_PROBE = 32
local MAX_QUEUES_PROBED = 512
local LONGEST_PACE_MS = 10000 -- a longer pause between two hand-overs is no congestion

local handed = {}
local served = 0 -- waiting jobs that got a slot, of whichever instance

local function note(owner, kind, job, node)
  post(owner, 'kind', kind, 'job', job.id, 'attempt', job.attempt, 'node', node.id,
    'instance', node.owner, 'epoch', node.epoch, 'due_ms', int(math.max(0, job.due - now)))
end

local function report(job, node)
  if job.owner == instance then
    handed[#handed + 1] = { job.id, job.attempt, node.id, node.owner, node.epoch,
      math.max(0, job.due - now) }
  else
    note(job.owner, 'assigned', job, node)
  end
end

-- Gives a slot of the node to a job that has neither slot nor queue.
local function assign(job, node)
  if job.turned then
    job.attempt = turn_attempt(node, job.slot, job.attempt)
  end
  occupy(node, job.slot, job.id)
  set_due(job, math.min(now + job.job_ms, job.deadline))
  call('HSET', prefix .. 'job:' .. job.id, 'state', 'assigned', 'node', node.id,
    'attempt', job.attempt, 'pin', '', 'due', int(job.due), 'assigned_at', now_text,
    'accepted_at', '0', 'running_at', '0')
  index_state(job.id, job.state, 'assigned')
  job.state, job.node, job.pin = 'assigned', node.id, ''
  if job.turned then
    follow_turn(node, job.slot, job.id, job.due, job.deadline)
  end
  local session = prefix .. 'session:' .. job.session
  if call('EXISTS', session) == 1 then
    call('HSET', session, 'last', node.id)
  end
end

-- The other waiting segments of the job's turn need no further slot: they come along, in order.
local function bring_turn(job, node)
  if not job.turned then
    return
  end
  for id in string.gmatch(waiting_in_turn(job.slot), '%S+') do
    local other = load_job(id)
    if other and other.state == 'queued' then
      dequeue(other)
      assign(other, node)
      report(other, node)
    end
  end
end

local function note_pace(requirement)
  local pace = call('HGET', prefix .. 'pace', requirement)
  local interval = 0
  if pace then
    local last, before = string.match(pace, '^(%d+) (%d+)$')
    local gap = math.max(0, now - tonumber(last)) -- the clock may have been set back
    interval = tonumber(before)
    if gap <= LONGEST_PACE_MS then
      interval = interval == 0 and gap or interval * 0.8 + gap * 0.2
    end
  end
  call('HSET', prefix .. 'pace', requirement, now_text .. ' ' .. int(interval))
  call('EXPIRE', prefix .. 'pace', RECORD_TTL_S)
end

-- Nodes that a waiting job must not get: its own, or all of its turn's.
local function exclusion(job)
  if job.turned then
    return call('HGET', prefix .. 'turn:' .. job.slot, 'excluded') or ''
  end
  return job.excluded
end

local function owner_lives(owner)
  if owner == instance then
    return true
  end
  local lease = call('ZSCORE', prefix .. 'insts', owner)
  return lease and tonumber(lease) > now
end

-- Whether the queued job may get a slot of the node now.
local function acceptable(job, node)
  if job.deadline <= now or not owner_lives(job.owner) then
    return false
  end
  -- A node may have changed its languages since a segment was set to wait for it.
  if job.pin ~= '' and not can_serve(node, job.requirement) then
    return false
  end
  local excluded = exclusion(job)
  return not is_excluded(node.id, excluded)
    or effective_exclusion(job.requirement, excluded) == ''
end

-- The first job of a queue that may get a slot of the node, with its virtual time.
local function first_acceptable(queue, requirement, node)
  local from, width = 0, 1 -- nearly always the head is it; only behind an unsuitable one is more read
  for _ = 1, MAX_READS_PER_QUEUE do
    local entries = call('ZRANGE', queue, from, from + width - 1, 'WITHSCORES')
    for n = 1, #entries, 2 do
      local job = load_job(entries[n])
      if not job or job.state ~= 'queued' then
        call('ZREM', queue, entries[n]) -- its record expired
        if requirement then
          update_head(requirement)
        end
      elseif acceptable(job, node) then
        return job, tonumber(entries[n + 1])
      else
        from = from + 1
      end
    end
    if #entries < 2 * width then
      return nil
    end
    width = JOBS_PER_READ
  end
  return nil
end

-- The fairest waiting job for the node: pinned ones first, then by virtual time over all queues.
local function next_waiting(node)
  local job, best_time = first_acceptable(prefix .. 'pin:' .. node.id, nil, node), nil
  if job then
    return job
  end
  for from = 0, MAX_QUEUES_PROBED - 1, QUEUES_PER_PROBE do
    local heads = call('ZRANGE', prefix .. 'qs', from, from + QUEUES_PER_PROBE - 1,
      'WITHSCORES')
    for n = 1, #heads, 2 do
      if best_time and tonumber(heads[n + 1]) >= best_time then
        return job
      end
      if can_serve(node, heads[n]) then
        local first, time = first_acceptable(prefix .. 'q:' .. heads[n], heads[n], node)
        if first and (not best_time or time < best_time) then
          job, best_time = first, time
        end
      end
    end
    if #heads < 2 * QUEUES_PER_PROBE then
      return job
    end
  end
  return job
end

-- Gives the node's free slots to waiting jobs, then puts it in its place.
local function serve(node)
  if node.group ~= '' then
    local pinned = prefix .. 'pin:' .. node.id
    local budget = MAX_HANDOVERS
    while budget > 0 and call('EXISTS', prefix .. 'qs', pinned) > 0
      and used_slots(node) < node.max do
      local job = next_waiting(node)
      if not job then
        break
      end
      if job.pin == '' then
        note_pace(job.requirement)
      end
      dequeue(job)
      assign(job, node)
      report(job, node)
      bring_turn(job, node)
      budget = budget - 1
      served = served + 1
    end
  end
  place_node(node)
end
