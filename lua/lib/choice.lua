-- Which node a job gets. Needs lib/clock.lua, lib/node.lua.

local MAX_GROUPS_COMPARED = 16
local MAX_SETS_INTERSECTED = 64 -- where all sets are larger, a sample is tried first
local MAX_EQUALS_COMPARED = 32 -- equally good nodes among which one of the caller's own is looked for

-- The sets whose intersection is the groups that have all atoms, and a free slot if asked for.
local function group_sets(requirement, with_free)
  local sets = {}
  if with_free then
    sets[1] = prefix .. 'groups:free'
  end
  for atom in string.gmatch(requirement, '[^,]+') do
    sets[#sets + 1] = prefix .. 'cap:' .. atom
  end
  return sets
end

-- Groups in all sets. Of very many a random sample is enough, unless it has none that fits.
local function intersect(sets)
  local smallest, size = sets[1], nil
  for _, set in ipairs(sets) do
    local cardinality = call('SCARD', set)
    if cardinality == 0 then
      return {}
    end
    if not size or cardinality < size then
      smallest, size = set, cardinality
    end
    if size <= MAX_SETS_INTERSECTED then
      return call('SINTER', unpack(sets))
    end
  end
  local found = {}
  for _, gid in ipairs(call('SRANDMEMBER', smallest, MAX_GROUPS_COMPARED)) do
    local in_all = true
    for _, set in ipairs(sets) do
      in_all = in_all and call('SISMEMBER', set, gid) == 1
    end
    if in_all then
      found[#found + 1] = gid
    end
  end
  return #found > 0 and found or call('SINTER', unpack(sets))
end

-- Whether nodes of the group may get jobs with the requirement.
local function is_open_to(gid, requirement)
  return not string.find(gid, '!', 1, true)
    or call('SISMEMBER', prefix .. 'grp:' .. gid .. ':penalties', requirement) == 0
end

-- The best-ranked node of these groups, with its score.
local function best_of(groups, requirement, excluded, excluded_count)
  local best, best_score = nil, nil
  for i = 1, math.min(#groups, MAX_GROUPS_COMPARED) do
    local gid = groups[i]
    if is_open_to(gid, requirement) then
      local ranked = call('ZRANGE', prefix .. 'grp:' .. gid .. ':free', 0, excluded_count,
        'WITHSCORES')
      for n = 1, #ranked, 2 do
        if not is_excluded(ranked[n], excluded) then
          local score = tonumber(ranked[n + 1])
          if not best_score or score < best_score then
            best, best_score = ranked[n], score
          end
          break
        end
      end
    end
  end
  return best, best_score
end

-- A node of the calling instance that is loaded as little as the chosen one, or nil: what need not
-- cross between instances should not.
local function equal_at_home(score, groups, requirement, excluded)
  local home = prefix .. 'inst:' .. instance .. ':nodes'
  local rank = math.floor(score / RANK_UNIT) * RANK_UNIT
  local left = call('EXISTS', home) * MAX_EQUALS_COMPARED
  for i = 1, math.min(#groups, MAX_GROUPS_COMPARED) do
    if left > 0 and is_open_to(groups[i], requirement) then
      local equals = call('ZRANGEBYSCORE', prefix .. 'grp:' .. groups[i] .. ':free', int(rank),
        '(' .. int(rank + RANK_UNIT), 'LIMIT', 0, left)
      for _, id in ipairs(equals) do
        if call('SISMEMBER', home, id) == 1 and not is_excluded(id, excluded) then
          return load_node(id)
        end
      end
      left = left - #equals
    end
  end
  return nil
end

-- Whether some registered node could serve the requirement and is not excluded.
local function other_exists(requirement, excluded, excluded_count)
  local groups = intersect(group_sets(requirement, false))
  for i = 1, math.min(#groups, MAX_GROUPS_COMPARED) do
    local nodes = call('SRANDMEMBER', prefix .. 'grp:' .. groups[i] .. ':nodes',
      excluded_count + 1)
    for _, id in ipairs(nodes) do
      if not is_excluded(id, excluded) then
        return true
      end
    end
  end
  return false
end

local function count_excluded(excluded)
  if excluded == '' then
    return 0
  end
  local _, breaks = string.gsub(excluded, '\n', '')
  return breaks + 1
end

-- What remains excluded: nothing when no other node could ever serve.
local function effective_exclusion(requirement, excluded)
  if excluded ~= '' and not other_exists(requirement, excluded, count_excluded(excluded)) then
    return ''
  end
  return excluded
end

-- Returns the node for a job, loaded, or nil. `preference`: wishes, best first, each a list of atoms.
-- A marked node, then one that fulfils a lesser wish, is chosen only when no better one has a free
-- slot; then load decides, then whether it is connected to the calling instance, then least recent
-- use.
local function choose_node(requirement, preference, excluded)
  excluded = effective_exclusion(requirement, excluded)
  local excluded_count = count_excluded(excluded)
  local id, score, groups
  for wish in string.gmatch(preference .. ' any', '%S+') do
    local atoms = wish == 'any' and requirement or requirement .. ',' .. wish
    local fit = intersect(group_sets(atoms, true))
    local other, other_score = best_of(fit, requirement, excluded, excluded_count)
    if other and (not id or other_score < MARKED * RANK_UNIT) then
      id, score, groups = other, other_score, fit
    end
    if id and score < MARKED * RANK_UNIT then
      break
    end
  end
  local chosen = id and load_node(id)
  if chosen and chosen.owner ~= instance then
    return equal_at_home(score, groups, requirement, excluded) or chosen
  end
  return chosen
end
