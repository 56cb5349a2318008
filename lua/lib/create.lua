-- Making a job's record. Needs the arguments of a job's specification, and lib/clock.lua, node,
-- choice, job, queue, turn.

local session_record -- epoch, last node, virtual time

-- Binds the request to the proposed job. Returns the reply that ends the script when the caller is
-- fenced or the request is bound already.
local function claim_request()
  session_record = redis.call('HMGET', prefix .. 'session:' .. session, 'epoch', 'last', 'clock')
  if session_record[1] ~= session_epoch or redis.call('EXISTS', prefix .. 'inst:' .. instance) == 0
  then
    return { 'FENCED' }
  end
  local binding = prefix .. 'req:' .. request
  if not redis.call('SET', binding, job, 'NX', 'EX', RECORD_TTL_S) then
    local bound = load_job(redis.call('GET', binding))
    if bound then
      return describe('DUPLICATE', bound)
    end
    redis.call('SET', binding, job, 'EX', RECORD_TTL_S)
  end
  return nil
end

-- Start-time fair queueing without a global clock: a job costs its session (and tenant) its length.
local function virtual_time(record, before)
  local time = math.max(now, (tonumber(before or '0')) + math.max(1, cost_ms))
  redis.call('HSET', record, 'clock', int(time))
  return time
end

local function new_job(attempt)
  return {
    id = job,
    attempt = attempt,
    owner = instance,
    session = session,
    requirement = requirement,
    slot = session .. '|' .. turn .. '|' .. language,
    turned = part ~= '0' or continues == '1',
    pin = '',
    excluded = '',
    deadline = now + deadline_ms,
  }
end

-- The session's last node, while it has a free slot and nothing speaks against it.
local function usual_node(new, excluded)
  local id = session_record[2]
  if not id or is_excluded(id, excluded) then
    return nil
  end
  local node = load_node(id)
  if node and node.state == 'online' and not is_marked(node) and can_serve(node, new.requirement)
    and used_slots(node) < node.max then
    return node
  end
  return nil
end

-- Returns the node for the job, or nil when it must wait (in the queue, or pinned).
local function find_place(new)
  local excluded = new.excluded
  if new.turned then
    if excluded ~= '' then
      redis.call('HSET', prefix .. 'turn:' .. new.slot, 'excluded', excluded)
      redis.call('EXPIRE', prefix .. 'turn:' .. new.slot, RECORD_TTL_S)
    end
    local place, turn_node, pin = turn_place(new)
    if place == 'join' or place == 'take' then
      return turn_node
    elseif place == 'pin' then
      new.pin = turn_node.id
      return nil
    elseif place == 'behind' then
      new.pin = pin
      return nil
    end
    excluded = redis.call('HGET', prefix .. 'turn:' .. new.slot, 'excluded') or ''
  end
  return usual_node(new, excluded) or choose_node(requirement, preference, excluded)
end

local function write_record(new, state, node_id, since)
  local key = prefix .. 'job:' .. job
  redis.call('HSET', key, 'state', state, 'attempt', new.attempt, 'node', node_id,
    'owner', instance, 'request', request, 'session', session, 'index', index,
    'language', language, 'source', source, 'requirement', requirement, 'preference', preference,
    'turn', turn, 'part', part, 'turned', new.turned and '1' or '0', 'pin', new.pin,
    'tenant', tenant, 'trace', trace, 'clock', new.clock, 'job_ms', int(job_ms),
    'deadline', int(new.deadline), 'due', int(new.due), 'created_at', int(now),
    'excluded', new.excluded, since, int(now))
  redis.call('EXPIRE', key, RECORD_TTL_S)
  local of_session = prefix .. 'session:' .. session .. ':jobs'
  redis.call('SADD', of_session, job)
  redis.call('EXPIRE', of_session, RECORD_TTL_S)
  redis.call('ZADD', prefix .. 'inst:' .. instance .. ':jobs', int(new.due), job)
  redis.call('ZADD', prefix .. 'jobs:' .. state, int(now), job)
end

local function charge(new)
  local of_tenant = prefix .. 'tenant:' .. tenant
  virtual_time(of_tenant, redis.call('HGET', of_tenant, 'clock'))
  redis.call('EXPIRE', of_tenant, RECORD_TTL_S)
  new.clock = int(virtual_time(prefix .. 'session:' .. session, session_record[3]))
end

local function create_assigned(new, node)
  charge(new)
  new.due = math.min(now + job_ms, new.deadline)
  write_record(new, 'assigned', node.id, 'assigned_at')
  redis.call('HSET', prefix .. 'session:' .. session, 'last', node.id)
  occupy(node, new.slot, job)
  if new.turned then
    local turn_key = prefix .. 'turn:' .. new.slot
    redis.call('HSET', turn_key, 'node', node.id)
    redis.call('EXPIRE', turn_key, RECORD_TTL_S)
    extend_turn(node, new.slot, job, new.due, new.deadline)
  end
  place_node(node)
  return { 'ASSIGNED', job, new.attempt, node.id, node.owner, node.epoch, new.due - now, {} }
end

-- Segments that wait live as long as the latest segment of their turn.
local function extend_waiting(new)
  for id in string.gmatch(waiting_in_turn(new.slot), '%S+') do
    redis.call('HSET', prefix .. 'job:' .. id, 'deadline', int(new.deadline))
  end
end

local function create_queued(new)
  charge(new)
  if new.turned then
    extend_waiting(new)
  end
  local wait = new.pin ~= '' and turn_wait_ms or pending_ms
  new.due = math.min(now + wait, new.deadline)
  write_record(new, 'queued', '', 'queued_at')
  enqueue(new)
  return queued_reply(new, {})
end
