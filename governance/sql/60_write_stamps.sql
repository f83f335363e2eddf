-- Everything that was decided or recorded, but for the verdicts themselves and what is only told of it (notices,
-- webhooks, events of a change).
select kernel_stamp_writes_of(array[
  'governance_absence', 'governance_applicationrelease', 'governance_approval', 'governance_breakacceptance',
  'governance_breakglass', 'governance_changerequest', 'governance_changesubject', 'governance_checkresult',
  'governance_contributor', 'governance_decision', 'governance_delegation', 'governance_freezeinterval',
  'governance_freezewindow', 'governance_groupmapping', 'governance_grouppattern',
  'governance_provideridentity', 'governance_loosenedfact', 'governance_policy',
  'governance_providercheck', 'governance_releasetally', 'governance_slot', 'governance_waiver'
]);
