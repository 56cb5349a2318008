-- Slots go to waiting jobs. Needs lib/clock.lua, notes, node, slot, job, choice, tenant, queue, stream,
-- reclaim. What concerns the calling instance is collected in `handed`, what concerns another goes to
-- its mailbox.

local MAX_HANDOVERS = 64 -- in one script; the next sweep goes on
local GO_ON_MS = 10
local MAX_DEBT_MS = 10000 -- of a session in virtual time
local CHILDREN_PER_READ = 16
local MAX_ATOMS_ASKED = 256
local MAX_QUEUES_TRIED = 16
local LONGEST_PACE_MS = 10000 -- a longer pause between two hand-overs is no congestion

local handed = {}
local served = 0 -- waiting jobs that got a slot, of whichever instance

local function note(owner, kind, job, node)
  post(owner, 'kind', kind, 'job', job.id, 'attempt', job.attempt, 'node', node.id,
    'instance', node.owner, 'epoch', node.epoch, 'due_ms', int(math.max(0, job.due - now)),
    'turned', job.turned and '1' or '0')
end

local function report(job, node)
  if job.owner == instance then
    handed[#handed + 1] = { job.id, job.attempt, node.id, node.owner, node.epoch,
      math.max(0, job.due - now), job.turned and 1 or 0 }
  else
    note(job.owner, 'assigned', job, node)
  end
end

-- Gives a slot of the node to a job that has neither slot nor queue.
local function assign(job, node)
  settle_turn(job, node, true)
  if job.turned then
    job.attempt = turn_attempt(node, job.slot, job.attempt)
  end
  occupy(node, job)
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

-- What a hand-over costs: the length of its audio, its session if others of its tenant wait meanwhile,
-- its tenant if others do; what displaces nobody is free. A session that has had its share stands
-- behind who waits, and never further than the most that may be owed.
local function charge(job)
  charge_tenant(job)
  local session = prefix .. 'session:' .. job.session
  local others = call('SCARD', of_tenant(job.tenant, 'queued')) - call('ZCARD', session .. ':queued')
  local known = others > 0 and call('HMGET', session, 'owner', 'clock')
  if known and known[1] then
    local clock = math.max(now, tonumber(known[2] or '0')) + math.max(1, job.cost)
    call('HSET', session, 'clock', int(math.min(clock, now + MAX_DEBT_MS)))
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
      charge(other)
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

local living = {} -- owners that have been asked for

local function owner_lives(owner)
  if living[owner] == nil then
    local lease = owner == instance and math.huge or call('ZSCORE', prefix .. 'insts', owner)
    living[owner] = lease and tonumber(lease) > now or false
  end
  return living[owner]
end

local function may_get(node, requirement, excluded)
  return not is_excluded(node.id, excluded) or effective_exclusion(requirement, excluded) == ''
end

-- The first job that waits for this node in particular and may get a slot of it. A node may have
-- changed its languages since a segment was set to wait for it. Bounded by the jobs that may wait.
local function first_pinned(node)
  local pinned = prefix .. 'pin:' .. node.id
  local from = 0
  while true do
    local ids = call('ZRANGE', pinned, from, from + JOBS_PER_READ - 1)
    for _, id in ipairs(ids) do
      local job = load_job(id)
      if not job or job.state ~= 'queued' then
        call('ZREM', pinned, id) -- its record expired
        from = from - 1
      elseif job.deadline > now and owner_lives(job.owner) and can_serve(node, job.requirement)
        and may_get(node, job.requirement, exclusion(job))
        and not is_passed_over(node, job.requirement, exclusion(job)) then
        if not is_at_cap(job) then
          return job
        end
        park(job.tenant, '@' .. node.id)
      end
    end
    if #ids < JOBS_PER_READ then
      return nil
    end
    from = from + #ids
  end
end

-- The first job of a queue of the tenant's, with its virtual time. A session stands in several queues
-- and moves in all of them when it is served in one: in the others when it comes to the head.
local function first_job(tenant, requirement, queue)
  local key = tree_of(tenant) .. 'q:' .. requirement .. queue
  while true do
    local head = call('ZRANGE', key, 0, 0, 'WITHSCORES')
    local session = head[1]
    if not session then
      return nil
    end
    local clock = call('HGET', prefix .. 'session:' .. session, 'clock')
    if clock and tonumber(clock) > tonumber(head[2]) then
      call('ZADD', key, clock, session)
    else
      local job = first_in_queue(tenant, session, requirement, queue)
      if job then
        return job, tonumber(head[2])
      end
      call('ZREM', key, session)
    end
  end
end

-- The first tenant of a queue with its virtual time: one that has a job there and may get a slot.
local function first_tenant(requirement, queue)
  local key = prefix .. 'q:' .. requirement .. queue
  while true do
    local head = call('ZRANGE', key, 0, 0, 'WITHSCORES')
    local tenant = head[1]
    if not tenant then
      return nil
    end
    local clock = tenant_clock(tenant)
    if clock > tonumber(head[2]) then
      call('ZADD', key, int(clock), tenant)
    else
      local job = first_job(tenant, requirement, queue)
      if job and not is_at_cap(job) then
        return tenant, tonumber(head[2])
      end
      call('ZREM', key, tenant)
      if job then
        park(tenant, requirement .. queue)
      else
        update_heads(tree_of(tenant), requirement, queue)
      end
    end
  end
end

-- Gives the entries of a set, lowest first, to `visit` until that says that a higher one does not
-- matter. Where the set is long and the names in question are few, only those are read.
local function each_child(key, names, visit)
  local from = 0
  while true do
    local rows = call('ZRANGE', key, from, from + CHILDREN_PER_READ - 1, 'WITHSCORES')
    for n = 1, #rows, 2 do
      if visit(rows[n], tonumber(rows[n + 1])) then
        return
      end
    end
    from = from + CHILDREN_PER_READ
    if #rows < 2 * CHILDREN_PER_READ then
      return
    elseif names and #names <= MAX_ATOMS_ASKED and #names < call('ZCARD', key) - from then
      break
    end
  end
  local found = {}
  for n, score in ipairs(call('ZMSCORE', key, unpack(names))) do
    if score then
      found[#found + 1] = { names[n], tonumber(score) }
    end
  end
  table.sort(found, function(one, other)
    return one[2] < other[2]
  end)
  for _, child in ipairs(found) do
    if visit(child[1], child[2]) then
      return
    end
  end
end

-- The node's atoms as a list, with `=` for what ends there, and as a set.
local function atoms_of(node)
  if not node.names then
    node.names, node.has = { '=' }, {}
    for atom in string.gmatch(node.atoms, '%S+') do
      node.names[#node.names + 1] = atom
      node.has[atom] = true
    end
  end
  return node.names, node.has
end

-- Who is first in those queues of a tree from which the node may be given a job.
-- `first(requirement, queue)`: who is first in a queue, and when.
local function first_in_tree(tree, node, first)
  local names, has = atoms_of(node)
  local best, best_time, moved = nil, math.huge, {}

  local function look_into(requirement)
    each_child(tree .. 'ql:' .. requirement, nil, function(queue, time)
      if time >= best_time then
        return true
      end
      local owner, excluded = string.match(queue, '^=([^=]*)=(.*)$')
      if owner_lives(owner) and may_get(node, requirement, excluded)
        and not is_passed_over(node, requirement, excluded) then
        local found, earliest = first(requirement, queue)
        if not found or earliest > time then
          moved[#moved + 1] = { requirement, queue }
        end
        if found and earliest < best_time then
          best, best_time = found, earliest
        end
      end
      return false
    end)
  end

  local function look_below(key, path)
    each_child(key, names, function(atom, time)
      if time >= best_time then
        return true
      end
      if atom == '=' then
        if can_serve(node, path) then
          look_into(path)
        end
      elseif has[atom] then
        local below = path == '' and atom or path .. ',' .. atom
        look_below(tree .. 'qs:' .. below, below)
      end
      return false
    end)
  end

  look_below(tree .. 'qs', '')
  for _, place in ipairs(moved) do
    update_heads(tree, place[1], place[2])
  end
  return best
end

-- The fairest waiting job for the node: pinned ones first, then the earliest tenant's earliest.
local function next_waiting(node)
  local best = first_pinned(node)
  if best then
    return best
  end
  local tenant = first_in_tree(prefix, node, first_tenant)
  return tenant and first_in_tree(tree_of(tenant), node, function(requirement, queue)
    return first_job(tenant, requirement, queue)
  end)
end

-- Gives a slot of the node to a job that waits.
local function hand_over(job, node)
  if job.pin == '' then
    note_pace(job.requirement)
  end
  charge(job)
  dequeue(job)
  assign(job, node)
  report(job, node)
  bring_turn(job, node)
  served = served + 1
end

-- A tenant was at its bound and has got a slot back: other nodes than the one it left may have a free
-- one for it. A few of its queues are tried; each further slot of its own that ends tries again.
local function serve_elsewhere(tenant)
  local tree, tried = tree_of(tenant), 0

  local function try(requirement, queue)
    local job = first_job(tenant, requirement, queue)
    tried = tried + 1
    if not job then
      update_heads(tree, requirement, queue)
    end
    if not job or is_at_cap(job) or not owner_lives(job.owner) then
      return tried >= MAX_QUEUES_TRIED or (job and is_at_cap(job))
    end
    local node = choose_node(requirement, job.preference, job.barred)
    if node then
      hand_over(job, node)
      place_node(node)
    end
    return node or tried >= MAX_QUEUES_TRIED
  end

  local function look_below(key, path)
    local is_done
    each_child(key, nil, function(atom)
      if atom == '=' then
        each_child(tree .. 'ql:' .. path, nil, function(queue)
          is_done = try(path, queue)
          return is_done
        end)
      else
        local below = path == '' and atom or path .. ',' .. atom
        is_done = look_below(tree .. 'qs:' .. below, below)
      end
      return is_done
    end)
    return is_done
  end

  look_below(tree .. 'qs', '')
end

local serve

local function serve_released()
  local tenants = released
  released = {}
  for tenant in pairs(tenants) do
    unpark(tenant)
    if call('EXISTS', tree_of(tenant) .. 'qs') == 1 then
      serve_elsewhere(tenant)
    end
  end
  local nodes = woken
  woken = {}
  for _, id in ipairs(nodes) do
    local node = load_node(id)
    if node then
      serve(node)
    end
  end
end

-- Gives the node's free slots to waiting jobs, then puts it in its place.
function serve(node)
  for tenant in pairs(released) do
    unpark(tenant)
  end
  if node.group ~= '' then
    local pinned = prefix .. 'pin:' .. node.id
    local budget = MAX_HANDOVERS
    while call('EXISTS', prefix .. 'qs', pinned) > 0
      and (used_slots(node) < places(node) or has_stream(node)) do
      if budget == 0 then
        call('ZADD', prefix .. 'lapses', int(now + GO_ON_MS), node.id)
        call('EXPIRE', prefix .. 'lapses', RECORD_TTL_S)
        break
      end
      local job = next_waiting(node)
      if not job or (used_slots(node) >= places(node) and not make_room_at(node)) then
        break
      end
      hand_over(job, node)
      budget = budget - 1
    end
  end
  place_node(node)
  serve_released()
end
