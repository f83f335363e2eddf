-- Break-glass: opened by one person, confirmed by a second, reviewed afterwards. Nothing else of it changes.
create or replace function governance_breakglass_guard() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    perform governance_refuse('break_glass_is_kept', 'a break-glass use is never deleted');
  end if;
  if tg_op = 'INSERT' then
    if new.confirmed_by_id is not null or new.reviewed_by_id is not null then
      perform governance_refuse('break_glass_takes_two_people', 'a second person confirms afterwards');
    end if;
    new.opened_at := clock_timestamp();
    perform governance_hold_rights(array[new.opened_by_id]);
    if not governance_is_member(new.opened_by_id, new.owner_team_ids, '{release-managers}') then
      perform governance_refuse('break_glass_needs_a_right',
                                'a member of the owner team or a release manager breaks the glass');
    end if;
    if not governance_counts_as_member(new.opened_by_id, new.owner_team_ids, '{release-managers}', new.opened_at) then
      perform governance_refuse('break_glass_right_rests', 'a right that was given lately breaks no glass');
    end if;
  else
    if (to_jsonb(new) - '{confirmed_by_id,starts_at,ends_at,reviewed_by_id,reviewed_at,review_note}'::text[])
         <> (to_jsonb(old) - '{confirmed_by_id,starts_at,ends_at,reviewed_by_id,reviewed_at,review_note}'::text[])
       or (old.confirmed_by_id is not null
           and (new.confirmed_by_id, new.starts_at, new.ends_at)
               is distinct from (old.confirmed_by_id, old.starts_at, old.ends_at))
       or (old.reviewed_at is not null
           and (new.reviewed_by_id, new.reviewed_at, new.review_note)
               is distinct from (old.reviewed_by_id, old.reviewed_at, old.review_note))
       or ((new.reviewed_at is null) <> (new.reviewed_by_id is null)) then
      perform governance_refuse('break_glass_is_immutable',
                                'a break-glass use is confirmed once and reviewed once, '
                                'and nothing else of it changes');
    end if;
    if new.reviewed_by_id is distinct from old.reviewed_by_id
       and kernel_person(new.reviewed_by_id) in (kernel_person(new.opened_by_id), kernel_person(new.confirmed_by_id))
    then
      perform governance_refuse('break_glass_reviewed_by_a_third',
                                'who opened or confirmed a break-glass does not review it');
    end if;
    if old.reviewed_at is null and new.reviewed_at is not null then
      if trim(new.review_note) = '' then
        perform governance_refuse('break_glass_review_says_something', 'a review says what came of the break-glass');
      end if;
      new.reviewed_at := clock_timestamp();
    end if;
    if new.confirmed_by_id is distinct from old.confirmed_by_id
       and kernel_person(new.confirmed_by_id) = kernel_person(new.opened_by_id) then
      perform governance_refuse('break_glass_takes_two_people', 'another person confirms than the one who asked');
    end if;
    perform governance_hold_rights(array[new.confirmed_by_id, new.reviewed_by_id]);
    if (new.confirmed_by_id is distinct from old.confirmed_by_id
        and not governance_is_member(new.confirmed_by_id, '{}', '{release-managers,architects}'))
       or (new.reviewed_by_id is distinct from old.reviewed_by_id
           and not governance_is_member(new.reviewed_by_id, '{}', '{release-managers,architects}')) then
      perform governance_refuse('break_glass_needs_a_right',
                                'a release manager or an architect confirms and reviews');
    end if;
    if (new.confirmed_by_id is distinct from old.confirmed_by_id
        and not governance_counts_as_member(new.confirmed_by_id, '{}', '{release-managers,architects}',
                                            clock_timestamp()))
       or (new.reviewed_by_id is distinct from old.reviewed_by_id
           and not governance_counts_as_member(new.reviewed_by_id, '{}', '{release-managers,architects}',
                                               clock_timestamp())) then
      perform governance_refuse('break_glass_right_rests',
                                'a right that was given lately confirms and reviews nothing');
    end if;
    if old.confirmed_by_id is null
       and new.confirmed_by_id is not null
       and new.starts_at < clock_timestamp() - interval '1 minute' then
      perform governance_refuse('break_glass_starts_now', 'break-glass starts when it is confirmed');
    end if;
  end if;
  if exists (select from kernel_user u
              where u.id in (new.opened_by_id, new.confirmed_by_id, new.reviewed_by_id)
                and u.kind <> 'person') then
    perform governance_refuse('break_glass_takes_two_people',
                              'break-glass is for people, not for service accounts');
  end if;
  return new;
end $$;
create or replace trigger guard before insert or update or delete on governance_breakglass
  for each row execute function governance_breakglass_guard();
