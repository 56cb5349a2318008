-- A job's record as it is made, and where its session stands. Needs the arguments of a job's
-- specification, and lib/clock.lua, node, slot.

local session_key = prefix .. 'session:' .. session
local session_record -- epoch, last node, owner; `slow`: its usual node, where another is faster

-- Keeps the state with which another instance could go on. Returns the reply that ends the script
-- when the caller is fenced.
local function enter_session()
  session_record = call('HMGET', session_key, 'epoch', 'last', 'owner')
  if session_record[1] ~= session_epoch or call('EXISTS', prefix .. 'inst:' .. instance) == 0 then
    -- Without a record the data was lost; with another owner it is over for the caller.
    local owner = session_record[3]
    return { owner and owner ~= instance and 'MOVED' or 'FENCED' }
  end
  if session_state ~= '' then
    call('HSET', session_key, 'state', session_state)
  end
  return nil
end

local function new_job(attempt)
  return {
    id = job,
    attempt = attempt,
    owner = instance,
    session = session,
    turn = turn,
    part = part,
    language = language,
    requirement = requirement,
    index = index,
    cost = cost_ms,
    slot = slot_of(session, turn, language),
    turned = part ~= '0' or continues == '1',
    pin = '',
    excluded = '',
    deadline = now + deadline_ms,
    tenant = tenant,
    weight = weight,
    cap = slots_cap,
  }
end

local function write_record(new, state, node_id, since)
  local key = prefix .. 'job:' .. job
  local due = int(new.due)
  call('HSET', key, 'state', state, 'attempt', new.attempt, 'node', node_id, 'owner', instance,
    'session', session, 'turn', new.turn, 'language', language, 'index', index,
    'cut', cut, 'turned', new.turned and '1' or '0', 'tenant', tenant,
    'due', due, 'deadline', int(new.deadline), 'job_ms', job_ms, 'cost', cost_ms,
    'requirement', requirement, 'preference', preference, 'created_at', now_text, since, now_text,
    'source', source, 'part', part, 'trace', trace)
  if weight ~= 1 or slots_cap > 0 then
    call('HSET', key, 'weight', int(weight), 'cap', int(slots_cap))
  end
  if new.pin ~= '' then
    call('HSET', key, 'pin', new.pin)
  end
  if new.excluded ~= '' then
    call('HSET', key, 'excluded', new.excluded)
  end
  call('EXPIRE', key, RECORD_TTL_S)
  local of_session = session_key .. ':jobs'
  call('SADD', of_session, job)
  call('EXPIRE', of_session, RECORD_TTL_S)
  call('ZADD', prefix .. 'inst:' .. instance .. ':jobs', due, job)
  if state ~= 'assigned' then
    call('ZADD', prefix .. 'jobs:' .. state, now_text, job)
  end
end

-- The session's last node, while it has a free slot and nothing speaks against it. One elsewhere is
-- not looked for again where there are nodes at home: each job there and back crosses.
local function usual_node(excluded)
  local id = session_record[2]
  if not id or is_excluded(id, excluded) then
    return nil
  end
  local node = load_node(id)
  if node and node.owner ~= instance
    and call('EXISTS', prefix .. 'inst:' .. instance .. ':nodes') == 1 then
    return nil
  end
  if node and node.state == 'online' and not is_marked(node) and not is_doubted(node)
    and can_serve(node, requirement) then
    node.used = used_slots(node)
    if node.used < places(node) and is_slow(node) then
      session_record.slow = node
      return nil
    end
    return node.used < places(node) and node or nil
  end
  return nil
end
