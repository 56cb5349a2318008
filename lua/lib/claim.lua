-- What a new owner of a session finds, at home or where the session is a guest. Needs lib/clock.lua,
-- notes, node, slot, job, queue, stream and the arguments instance, session, ttl_s.

local session_key = prefix .. 'session:' .. session

-- The record lives with the caller's beat from now on, which renews it when a third of its life has
-- passed.
local function keep_with(former)
  call('EXPIRE', session_key, int(ttl_s))
  if former and former ~= instance then
    call('ZREM', prefix .. 'inst:' .. former .. ':sessions', session)
  end
  call('ZADD', prefix .. 'inst:' .. instance .. ':sessions', int(now + ttl_s * 1000 / 3), session)
end

-- Whether the node still is what it was when it got the job: on-line, and not registered since.
local function stays(node, assigned_at)
  return node[1] and node[1] ~= 'offline' and tonumber(node[3]) <= tonumber(assigned_at or '0')
end

-- A waiting job that has changed its owner waits among the new one's.
local function change_queue(id, former_owner)
  local job = load_job(id)
  if job.pin == '' then
    job.owner = former_owner
    leave_queue(job)
    job.owner = instance
    enter_queue(job, true)
  end
end

-- The session's jobs that are not final become the caller's. Bounded by the session's queue bound and
-- the nodes' capacity.
local function take_jobs()
  local jobs = {}
  for _, id in ipairs(call('SMEMBERS', session_key .. ':jobs')) do
    local job = call('HMGET', prefix .. 'job:' .. id, 'owner', 'due', 'index', 'state', 'attempt',
      'node', 'deadline', 'assigned_at', 'turned')
    if job[1] and is_stream(id) then -- it is spoken on elsewhere: the audio before is not there
      local node = close_stream(load_job_head(id))
      if node then
        place_node(node)
      end
      if job[1] ~= instance and call('EXISTS', prefix .. 'inst:' .. job[1]) == 1 then
        post(job[1], 'kind', 'stream_taken', 'job', id, 'attempt', job[5], 'node', job[6],
          'instance', '', 'epoch', '0', 'due_ms', '0')
      end
    elseif job[1] then
      if job[1] ~= instance then
        call('HSET', prefix .. 'job:' .. id, 'owner', instance)
        if job[4] == 'queued' then
          change_queue(id, job[1])
        end
        call('ZREM', prefix .. 'inst:' .. job[1] .. ':jobs', id)
        call('ZADD', prefix .. 'inst:' .. instance .. ':jobs', job[2], id)
      end
      local node = job[6] == '' and {}
        or call('HMGET', prefix .. 'node:' .. job[6], 'state', 'owner', 'epoch')
      jobs[#jobs + 1] = { id, session, job[3], job[4], job[5], instance, job[6], node[2] or '',
        stays(node, job[8]) and 1 or 0, math.max(0, job[2] - now), math.max(0, job[7] - now),
        job[9] == '1' and 1 or 0 }
    end
  end
  return jobs
end

-- What became of the session's utterances, oldest first, as far as it is kept.
local function recorded_outcomes()
  local outcomes = {}
  for _, entry in ipairs(call('XRANGE', prefix .. 'out:' .. session, '-', '+')) do
    local fields = {}
    for n = 1, #entry[2], 2 do
      fields[entry[2][n]] = entry[2][n + 1]
    end
    outcomes[#outcomes + 1] = { fields.cut or '0', fields.job, fields.index, fields.language,
      fields.outcome, fields.words or '' }
  end
  return outcomes
end
