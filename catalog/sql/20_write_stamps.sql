-- Everything that the catalog states, and who sees what (catalog_apisearch). What is left out is made from it (words,
-- facets), or says what was sent or done when (notices, imports, jobs): a test holds that the gate reads none of it.
select kernel_stamp_writes_of(array[
  'catalog_api', 'catalog_apientity', 'catalog_apigroupobjectpermission', 'catalog_apisearch',
  'catalog_apiuserobjectpermission', 'catalog_apiversion', 'catalog_application', 'catalog_attributegroup',
  'catalog_boundary', 'catalog_brownout', 'catalog_businessentity', 'catalog_contract', 'catalog_contractcomparison',
  'catalog_contractrevision',
  'catalog_dependency', 'catalog_domain', 'catalog_environment', 'catalog_evidencetally', 'catalog_providerright',
  'catalog_retailstore', 'catalog_scopevalue', 'catalog_slatier', 'catalog_subscription', 'catalog_system',
  'catalog_systemendpoint', 'catalog_team', 'catalog_usagebatch', 'catalog_usageday', 'catalog_versionendpoint'
]);
