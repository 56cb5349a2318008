-- failover_job: gives a job its next attempt at another node, or a place in the queue, or up
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV job str
-- ARGV attempt int
-- ARGV node str
-- ARGV reason str
-- ARGV exclude int
-- ARGV avoid str
-- ARGV penalty_ms int
-- ARGV pending_ms int
-- ARGV max_attempts int
-- ARGV outcome str
-- ARGV outcome_ttl_ms int
-- RETURNS ASSIGNED job attempt node instance epoch due_ms turned handovers
-- RETURNS QUEUED job attempt position wait_ms due_ms handovers
-- RETURNS FAILED reason handovers
-- RETURNS DUPLICATE job state attempt node instance epoch due_ms turned
-- RETURNS STALE attempt | GONE
-- INCLUDE lib/clock.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/slot.lua
-- INCLUDE lib/stream.lua
-- INCLUDE lib/group.lua
-- INCLUDE lib/notes.lua
-- INCLUDE lib/health.lua
-- INCLUDE lib/turn_slot.lua
-- INCLUDE lib/job_head.lua
-- INCLUDE lib/job.lua
-- INCLUDE lib/choice.lua
-- INCLUDE lib/tenant.lua
-- INCLUDE lib/queue.lua
-- INCLUDE lib/turn.lua
-- INCLUDE lib/reclaim.lua
-- INCLUDE lib/handover.lua
-- INCLUDE lib/finish.lua

local moving = load_job(job)
if not moving then
  return { 'GONE' }
end
if FINAL[moving.state] then
  return describe('DUPLICATE', moving)
end
if moving.owner ~= instance then
  return { 'STALE', moving.attempt }
end
-- Where the caller believes the job to be is a fence as well: the move may have been made already.
local waits = moving.state == 'queued'
if moving.attempt == attempt + 1 or (moving.attempt == attempt and moving.node ~= node)
  or (waits and moving.attempt == attempt and reason == 'turn_wait' and moving.pin == '') then
  return describe('DUPLICATE', moving)
end
if moving.attempt ~= attempt then
  return { 'STALE', moving.attempt }
end

local function add_line(list, line)
  return list == '' and line or list .. '\n' .. line
end

-- The job, and with it its turn, does not go to the node it leaves again.
local function exclude_node()
  if not is_excluded(moving.node, moving.excluded) then
    moving.excluded = add_line(moving.excluded, moving.node)
  end
  if moving.turned then
    local turn = prefix .. 'turn:' .. moving.slot
    local excluded = call('HGET', turn, 'excluded') or ''
    if not is_excluded(moving.node, excluded) then
      call('HSET', turn, 'excluded', add_line(excluded, moving.node))
      call('EXPIRE', turn, RECORD_TTL_S)
      requeue_turn(moving.slot)
    end
  end
end

-- What the failure says of the node: suspect, not for this requirement, empty now.
local function blame(left)
  if reason == 'job_timeout' then
    left.suspect = true
  elseif reason == 'processing_error' then
    local erred = call('HGET', prefix .. 'job:' .. job, 'erred')
    if not erred then
      call('HSET', prefix .. 'job:' .. job, 'erred', moving.node)
      note_error(left, moving, false)
    elseif erred ~= moving.node then
      settle_error(erred, job, false) -- it was the job
    end
  end
  if penalty_ms > 0 and can_serve(left, moving.requirement) then
    local penalty = moving.requirement .. '=' .. int(now + penalty_ms)
    left.penalties = left.penalties == '' and penalty or left.penalties .. ' ' .. penalty
  end
  if left.overloaded > 0 and used_slots(left) == 0 then
    left.overloaded = 0
  end
  settle_node(left)
end

-- Takes the job off its node; returns the node, to be served when the job has a new place.
local function leave()
  vacate(moving)
  if exclude == 1 then
    exclude_node()
  end
  local left = load_node(moving.node)
  if left then
    blame(left)
  end
  local began = math.max(0, moving.assigned_at - moving.created_at)
  call('HSET', prefix .. 'job:' .. job, 'excluded', moving.excluded, 'attempt_' .. attempt,
    int(began) .. ' ' .. int(now - moving.created_at) .. ' ' .. reason .. ' ' .. moving.node)
  return left
end

-- Nodes of an instance that the caller cannot reach are not tried one after the other: none now.
local MAX_AVOIDED = 256

local function choose_reachable(excluded)
  if avoid == '' then
    return choose_node(moving.requirement, moving.preference, excluded)
  end
  local out_of_reach = call('SRANDMEMBER', prefix .. 'inst:' .. avoid .. ':nodes', MAX_AVOIDED)
  for _, id in ipairs(out_of_reach) do
    if not is_excluded(id, excluded) then
      excluded = add_line(excluded, id)
    end
  end
  local chosen = choose_node(moving.requirement, moving.preference, excluded)
  return chosen and chosen.owner ~= avoid and chosen or nil
end

local waits_alone = false -- it has left the queue with its turn

-- The node for the next attempt, or nil.
local function next_node()
  local excluded = moving.excluded
  if moving.turned then
    local place, turn_node = turn_place(moving)
    if place == 'join' or (place == 'take' and not is_at_cap(moving)) then
      return turn_node
    elseif place == 'alone' then
      if waits then
        dequeue(moving) -- where it waits with its turn
        waits_alone = true
      end
      stand_alone(moving, true)
      return choose_reachable(excluded)
    elseif place == 'behind' then
      return nil
    end
    excluded = exclusion(moving)
  end
  return not is_at_cap(moving) and choose_reachable(excluded) or nil
end

local function give_up(left)
  if outcome ~= '' then
    record_outcome(moving, outcome, outcome_ttl_ms)
  end
  if waits then
    dequeue(moving)
  end
  finish_record(moving, 'failed', reason, 0)
  if left then
    serve(left)
  end
  return { 'FAILED', reason, handed }
end

local left
if waits then
  if moving.deadline <= now then
    return give_up(nil)
  end
else
  left = leave()
  if moving.attempt >= max_attempts or moving.deadline <= now then
    return give_up(left)
  end
  moving.attempt = moving.attempt + 1
end

if reason == 'processing_error' and left
  and not other_exists(moving.requirement, exclusion(moving)) then
  return give_up(left)
end

local was_pinned = moving.pin ~= ''
local node_found = next_node()
if waits and not waits_alone and (node_found or was_pinned) then
  dequeue(moving)
end
local reply
if node_found then
  assign(moving, node_found)
  bring_turn(moving, node_found)
  place_node(node_found)
  reply = { 'ASSIGNED', moving.id, moving.attempt, node_found.id, node_found.owner,
    node_found.epoch, math.max(0, moving.due - now), moving.turned and 1 or 0, handed }
else
  if not waits or was_pinned or waits_alone then
    set_due(moving, math.min(now + pending_ms, moving.deadline))
    moving.pin = ''
    call('HSET', prefix .. 'job:' .. job, 'state', 'queued', 'node', '', 'pin', '',
      'attempt', moving.attempt, 'due', int(moving.due), 'queued_at', now_text)
    index_state(job, moving.state, 'queued')
    moving.state, moving.node = 'queued', ''
    enqueue(moving)
  end
  reply = queued_reply(moving, handed)
  local made_room = make_room(moving, exclusion(moving))
  if made_room then
    serve(made_room)
  end
end
if left then
  serve(left)
end
return reply
