-- Which node a job gets. Needs lib/clock.lua, lib/node.lua.
--
-- `groups:free` has every group with a free slot under a score that its best node has at least: a
-- better one is entered at once, a worse one when somebody looks. So the best group stands first,
-- however many there are, or is looked for behind a few that have become worse.

local MAX_COMPARED = 64 -- capable groups that are compared one by one; of more the best come first
local MAX_WALKED = 512 -- groups; where so many others are better, capable ones are compared after all
local MAX_EQUALS_COMPARED = 32 -- equally good nodes among which one of the caller's own is looked for

local DOUBTED = '~' -- before the atoms of groups whose nodes are doubted
local MAX_DOUBTED_TRIED = 32 -- of a group

-- The sets of groups that have each atom, and the smallest one's size. `kind`: '' or DOUBTED.
local function capable_sets(requirement, kind)
  local sets, smallest = {}, math.huge
  for atom in string.gmatch(requirement, '[^,]+') do
    local set = prefix .. 'cap:' .. kind .. atom
    local size = call('SCARD', set)
    if size < smallest then
      smallest = size
      table.insert(sets, 1, set)
    else
      sets[#sets + 1] = set
    end
  end
  return sets, smallest
end

-- Those of the groups, in their order, that are in all sets.
local function members_of_all(groups, sets)
  for _, set in ipairs(sets) do
    if #groups == 0 then
      return groups
    end
    local kept = {}
    for n, is_member in ipairs(call('SMISMEMBER', set, unpack(groups))) do
      if is_member == 1 then
        kept[#kept + 1] = groups[n]
      end
    end
    groups = kept
  end
  return groups
end

-- Whether nodes of the group may get jobs with the requirement.
local function is_open_to(gid, requirement)
  return not string.find(gid, '!', 1, true)
    or call('SISMEMBER', prefix .. 'grp:' .. gid .. ':penalties', requirement) == 0
end

local function count_excluded(excluded)
  if excluded == '' then
    return 0
  end
  local _, breaks = string.gsub(excluded, '\n', '')
  return breaks + 1
end

-- Calls `look(group, bound)` for capable groups with a free slot, lowest bound first, until it says
-- that no higher one matters.
local function each_capable(requirement, kind, look)
  local sets, smallest = capable_sets(requirement, kind)
  if smallest == 0 then
    return
  end
  local free = prefix .. 'groups:free'
  for from = 0, smallest > MAX_COMPARED and MAX_WALKED - 1 or -1, MAX_COMPARED do
    local rows = call('ZRANGE', free, from, from + MAX_COMPARED - 1, 'WITHSCORES')
    local bounds, groups = {}, {}
    for n = 1, #rows, 2 do
      groups[#groups + 1] = rows[n]
      bounds[rows[n]] = tonumber(rows[n + 1])
    end
    for _, gid in ipairs(members_of_all(groups, sets)) do
      if look(gid, bounds[gid]) then
        return
      end
    end
    if #groups < MAX_COMPARED then
      return
    end
  end
  local capable = {}
  local groups = call('SINTER', unpack(sets))
  for from = 1, #groups, MAX_WALKED do
    local till = math.min(#groups, from + MAX_WALKED - 1)
    for n, bound in ipairs(call('ZMSCORE', free, unpack(groups, from, till))) do
      if bound then
        capable[#capable + 1] = { groups[from + n - 1], tonumber(bound) }
      end
    end
  end
  table.sort(capable, function(one, other)
    return one[2] < other[2] or (one[2] == other[2] and one[1] < other[1])
  end)
  for _, group in ipairs(capable) do
    if look(group[1], group[2]) then
      return
    end
  end
end

-- Whether the group's nodes are of this class of speed, or better, or not measured.
local function is_within(gid, slowest)
  local pace = slowest < math.huge and string.match(gid, 'v(%-?%d+)')
  return not pace or tonumber(pace) <= slowest
end

-- The best-ranked node of a kind that has all atoms, may get jobs with the requirement and is not
-- excluded; with its score. `fits(id)`: what else must hold. `slowest`: class of speed.
local function best_within(slowest, atoms, requirement, excluded, kind, fits)
  local looked_at = count_excluded(excluded) + (fits and MAX_DOUBTED_TRIED or 0)
  local best, best_score = nil, math.huge
  local worse = {}
  each_capable(atoms, kind, function(gid, bound)
    if bound >= best_score then
      return true
    end
    if is_within(gid, slowest) and is_open_to(gid, requirement) then
      local ranked = call('ZRANGE', prefix .. 'grp:' .. gid .. ':free', 0, looked_at,
        'WITHSCORES')
      if ranked[2] and tonumber(ranked[2]) > bound then
        worse[#worse + 1] = ranked[2]
        worse[#worse + 1] = gid
      end
      for n = 1, #ranked, 2 do
        if not is_excluded(ranked[n], excluded) and (not fits or fits(ranked[n])) then
          local score = tonumber(ranked[n + 1])
          if score < best_score then
            best, best_score = ranked[n], score
          end
          break
        end
      end
    end
    return false
  end)
  if #worse > 0 then
    call('ZADD', prefix .. 'groups:free', 'XX', unpack(worse))
  end
  return best, best_score
end

-- The slowest class of speed that counts as equal to the best of those with a free slot. Who was not
-- measured comes before all that are slow beside the fastest there is.
local function slowest_equal(atoms, requirement, excluded)
  local speeds = prefix .. 'speeds'
  local last = call('ZRANGE', speeds, -1, -1)[1]
  local first = last and call('ZRANGE', speeds, 0, 0)[1]
  if not last or tonumber(last) <= tonumber(first) + FACTOR_OF_TWO then
    return math.huge
  end
  local looked_at_new = false
  for _, pace in ipairs(call('ZRANGE', speeds, 0, -1)) do
    if not looked_at_new and tonumber(pace) > tonumber(first) + FACTOR_OF_TWO then
      looked_at_new = true
      local id, score = best_within(-math.huge, atoms, requirement, excluded, '')
      if id and score < MARKED * RANK_UNIT then
        return -math.huge
      end
    end
    local id, score = best_within(math.huge, atoms .. ',v:' .. pace, requirement, excluded, '')
    if id and score < MARKED * RANK_UNIT then
      return tonumber(pace) + FACTOR_OF_TWO
    end
  end
  return math.huge
end

-- The best-ranked of the fast ones; with its score, and the class of speed within which it is.
local function best_of(atoms, requirement, excluded, kind, fits)
  local slowest = kind == '' and slowest_equal(atoms, requirement, excluded) or math.huge
  local id, score = best_within(slowest, atoms, requirement, excluded, kind, fits)
  return id, score, slowest
end

-- A node of the calling instance that is loaded as little as the chosen one, or nil: what need not
-- cross between instances should not.
local function equal_at_home(score, slowest, atoms, requirement, excluded)
  local home = prefix .. 'inst:' .. instance .. ':nodes'
  local rank = math.floor(score / RANK_UNIT) * RANK_UNIT
  local left = call('EXISTS', home) * MAX_EQUALS_COMPARED
  local found = nil
  each_capable(atoms, '', function(gid, bound)
    if left <= 0 or bound >= rank + RANK_UNIT then
      return true
    end
    if is_within(gid, slowest) and is_open_to(gid, requirement) then
      local equals = call('ZRANGEBYSCORE', prefix .. 'grp:' .. gid .. ':free', int(rank),
        '(' .. int(rank + RANK_UNIT), 'LIMIT', 0, left)
      for _, id in ipairs(equals) do
        if call('SISMEMBER', home, id) == 1 and not is_excluded(id, excluded) then
          found = id
          return true
        end
      end
      left = left - math.max(1, #equals)
    end
    return false
  end)
  return found and load_node(found)
end

-- Whether the group has a node that is not excluded.
local function has_other(gid, excluded)
  local nodes = call('SRANDMEMBER', prefix .. 'grp:' .. gid .. ':nodes',
    count_excluded(excluded) + 1)
  for _, id in ipairs(nodes) do
    if not is_excluded(id, excluded) then
      return true
    end
  end
  return false
end

-- Whether a node of the kind could serve the requirement and is not excluded. A few groups are asked
-- at random first: nearly always one of them has such a node. `counts(group)`: whether it counts.
local function exists_of(requirement, excluded, kind, counts)
  local sets, smallest = capable_sets(requirement, kind)
  if smallest == 0 then
    return false
  end
  local some = smallest > MAX_COMPARED and call('SRANDMEMBER', sets[1], MAX_COMPARED) or {}
  for _, gid in ipairs(members_of_all(some, sets)) do
    if counts(gid) and has_other(gid, excluded) then
      return true
    end
  end
  for _, gid in ipairs(call('SINTER', unpack(sets))) do
    if counts(gid) and has_other(gid, excluded) then
      return true
    end
  end
  return false
end

local function any()
  return true
end

-- Whether some registered node could serve the requirement and is not excluded.
local function other_exists(requirement, excluded)
  return exists_of(requirement, excluded, '', any) or exists_of(requirement, excluded, DOUBTED, any)
end

-- Whether a node that is not doubted, nor on trial, may get jobs with the requirement.
local function is_well_served(requirement, excluded)
  return exists_of(requirement, excluded, '', function(gid)
    return not string.find(gid, '?', 1, true) and is_open_to(gid, requirement)
  end)
end

-- Whether a job is left to others, although the node could do it: it is sick, or it errs and has as
-- many jobs as may yet fail before it is.
local function is_passed_over(node, requirement, excluded)
  if node.health == 'sick' or (node.health == 'erring'
    and used_slots(node) >= tonumber(call('HGET', prefix .. 'node:' .. node.id, 'credit') or '0'))
  then
    return is_well_served(requirement, excluded)
  end
  return false
end

-- What remains excluded: nothing when no other node could ever serve.
local function effective_exclusion(requirement, excluded)
  if excluded ~= '' and not other_exists(requirement, excluded) then
    return ''
  end
  return excluded
end

-- The best node of a kind by wishes; with its score, the atoms that it was found by and within which
-- class of speed.
local function best_by_wish(requirement, preference, excluded, kind, fits)
  local id, score, wanted, slowest
  for wish in string.gmatch(preference .. ' any', '%S+') do
    local atoms = wish == 'any' and requirement or requirement .. ',' .. wish
    local other, other_score, within = best_of(atoms, requirement, excluded, kind, fits)
    if other and (not id or other_score < MARKED * RANK_UNIT) then
      id, score, wanted, slowest = other, other_score, atoms, within
    end
    if id and score < MARKED * RANK_UNIT then
      break
    end
  end
  return id, score, wanted, slowest
end

-- A doubted node for a job that no other has a free slot for.
local function choose_doubted(requirement, preference, excluded)
  if call('EXISTS', prefix .. 'cap:' .. DOUBTED) == 0 then
    return nil
  end
  local id = best_by_wish(requirement, preference, excluded, DOUBTED, function(doubted)
    local node = load_node(doubted)
    return node and not is_passed_over(node, requirement, excluded)
  end)
  return id and load_node(id)
end

-- Returns the node for a job, loaded, or nil. `preference`: wishes, best first, each a list of atoms.
-- `usual`: its session's node, if that has a free slot and is slow beside some other.
-- A marked node, then one that fulfils a lesser wish, then one that takes more than twice as long as
-- the best, is chosen only when no better one has a free slot; then load decides, then whether it is connected to the calling instance, then least recent
-- use.
local function choose_node(requirement, preference, excluded, usual)
  excluded = effective_exclusion(requirement, excluded)
  local id, score, wanted, slowest = best_by_wish(requirement, preference, excluded, '')
  if not id then
    return choose_doubted(requirement, preference, excluded)
  end
  if usual and tonumber(usual.pace) <= slowest and slowest < math.huge then
    return usual -- what is faster than the session's usual node does not serve this
  end
  local chosen = load_node(id)
  if chosen and chosen.owner ~= instance then
    return equal_at_home(score, slowest, wanted, requirement, excluded) or chosen
  end
  return chosen
end
