-- Making a job. Needs the arguments of a job's specification, and lib/clock.lua, node, slot, record,
-- turn_slot, job.

-- Where the bound job is, if another cell has borrowed it; `lend_job` left that in its place.
local function lent_to(id)
  return call('HGET', prefix .. 'job:' .. id, 'cell')
end

-- A job that may have been lent from here comes back.
local function take_back()
  call('HDEL', prefix .. 'job:' .. job, 'cell', 'along')
  call('HDEL', prefix .. 'turn:' .. slot_of(session, turn, language), 'cell')
end

-- Binds the request to the proposed job.
-- Returns the reply that ends the script when the caller is fenced or the request is bound already.
-- `returns`: what was lent may come back.
local function claim_request(returns)
  local refusal = enter_session()
  if refusal then
    return refusal
  end
  local binding = prefix .. 'req:' .. request
  if not call('SET', binding, job, 'NX', 'EX', RECORD_TTL_S) then
    local id = call('GET', binding)
    local bound = load_job_head(id)
    if bound then
      return describe('DUPLICATE', bound)
    end
    local cell = not returns and lent_to(id)
    if cell then
      return { 'LENT', cell }
    end
    call('SET', binding, job, 'EX', RECORD_TTL_S)
  end
  -- Later segments follow their turn to where it was lent.
  local cell = part ~= '0' and not returns
    and call('HGET', prefix .. 'turn:' .. slot_of(session, turn, language), 'cell')
  if cell then
    local pointer = prefix .. 'job:' .. job
    call('HSET', pointer, 'cell', cell)
    call('EXPIRE', pointer, RECORD_TTL_S)
    return { 'LENT', cell }
  end
  return nil
end

-- `stands`: it was there before, whatever the node can do.
local function create_assigned(new, node, stands)
  if not stands then
    settle_turn(new, node, false)
  end
  new.due = math.min(now + job_ms, new.deadline)
  if new.turned then
    new.attempt = turn_attempt(node, new.slot, new.attempt)
  end
  write_record(new, 'assigned', node.id, 'assigned_at')
  if session_record[2] ~= node.id then
    call('HSET', session_key, 'last', node.id)
  end
  local gained = occupy(node, new)
  if new.turned then
    follow_turn(node, new.slot, job, new.due, new.deadline)
  end
  place_node(node, node.used and node.used + gained)
  return { 'ASSIGNED', job, new.attempt, node.id, node.owner, node.epoch, new.due - now,
    new.turned and 1 or 0, {} }
end
