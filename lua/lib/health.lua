-- Nodes that answer with errors. Needs lib/clock.lua, node, group, notes.
--
-- `row` has a node's errors since its last success: `job=session=confirmed`. An error counts once
-- another node has done the job, or with others of at least `MIN_SESSIONS` sessions: one client may
-- send what no node can do. With `error_limit` of them the node is sick, for `suspect_ms`, doubled
-- each time that its trial fails. What it does well ends all of that.

local MIN_SESSIONS = 3
local MAX_SICK_MS = 300000
local MAX_ROW = 16

local function rows(text)
  local errors = {}
  for job_id, session, confirmed in string.gmatch(text, '([^%s=]+)=([^%s=]*)=(%d)') do
    errors[#errors + 1] = { job = job_id, session = session, confirmed = confirmed }
  end
  return errors
end

local function text_of(errors)
  local parts = {}
  for n = math.max(1, #errors - MAX_ROW + 1), #errors do
    parts[#parts + 1] = errors[n].job .. '=' .. errors[n].session .. '=' .. errors[n].confirmed
  end
  return table.concat(parts, ' ')
end

local function is_enough(errors, limit)
  local confirmed, sessions, count = 0, {}, 0
  for _, one in ipairs(errors) do
    if one.confirmed == '1' then
      confirmed = confirmed + 1
    end
    if not sessions[one.session] then
      sessions[one.session] = true
      count = count + 1
    end
  end
  return confirmed >= limit or (#errors >= limit and count >= MIN_SESSIONS)
end

-- Reads what only matters for nodes that fail.
local function load_errors(node)
  local values = call('HMGET', prefix .. 'node:' .. node.id, 'row', 'error_limit', 'suspect_ms',
    'sick_ms')
  return rows(values[1] or ''), tonumber(values[2] or '0'), tonumber(values[3] or '10000'),
    tonumber(values[4] or '0')
end

local function fall_sick(node, suspect_ms, sick_ms)
  local length = sick_ms > 0 and math.min(MAX_SICK_MS, 2 * sick_ms) or suspect_ms
  node.health = 'sick'
  call('HSET', prefix .. 'node:' .. node.id, 'sick_ms', int(length),
    'doubted_until', int(now + length))
  post(node.owner, 'kind', 'node_sick', 'job', job, 'attempt', 1, 'node', node.id,
    'instance', node.owner, 'epoch', node.epoch, 'due_ms', int(length))
end

-- The row has changed: what that makes of the node. The caller settles it.
local function judge_row(node, errors, limit, suspect_ms, sick_ms)
  call('HSET', prefix .. 'node:' .. node.id, 'row', text_of(errors))
  if node.health == 'sick' or node.health == 'trial' then
    return
  elseif is_enough(errors, limit) then
    fall_sick(node, suspect_ms, sick_ms)
  elseif #errors == 0 then
    node.health = ''
  elseif node.health == 'erring' then
    call('HSET', prefix .. 'node:' .. node.id, 'credit', int(math.max(0, limit - #errors)))
  end
end

-- The node has answered the job with an error, or found nothing in it.
local function note_error(node, job, is_empty)
  local errors, limit, suspect_ms, sick_ms = load_errors(node)
  if limit == 0 or node.health == 'sick' then
    return
  elseif node.health == 'trial' then
    if not is_empty then
      fall_sick(node, suspect_ms, sick_ms)
    end
    return
  end
  for _, one in ipairs(errors) do
    if one.job == job.id or (job.turned and one.session == job.session) then
      return
    end
  end
  errors[#errors + 1] = { job = job.id, session = job.session, confirmed = '0' }
  if not is_empty then
    node.health = 'erring'
    call('HSET', prefix .. 'node:' .. node.id, 'doubted_until', int(now + suspect_ms))
  elseif node.health == '' then
    node.health = 'watched'
  end
  judge_row(node, errors, limit, suspect_ms, sick_ms)
end

-- Another node has done the job that this one failed of (`confirmed`), or has failed of it, too.
-- Returns the node if that changes what it is.
local function settle_error(id, job_id, confirmed)
  local node = load_node(id)
  if not node or node.health == '' then
    return nil
  end
  local errors, limit, suspect_ms, sick_ms = load_errors(node)
  local kept, is_known = {}, false
  for _, one in ipairs(errors) do
    if one.job ~= job_id then
      kept[#kept + 1] = one
    else
      is_known = true
      if confirmed then
        one.confirmed = '1'
        kept[#kept + 1] = one
      end
    end
  end
  if not is_known then
    return nil
  end
  judge_row(node, kept, limit, suspect_ms, sick_ms)
  settle_node(node)
  return node
end

-- The node has done a job well.
local function recover(node)
  node.health = ''
  call('HDEL', prefix .. 'node:' .. node.id, 'row', 'credit', 'sick_ms', 'doubted_until')
end
