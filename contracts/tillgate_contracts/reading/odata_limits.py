"""What OData metadata says of how a service may be used, beyond the shape of its data: which properties may be filtered
by, what a create leaves out, which values are valid.

The vocabularies Capabilities, Validation, Core and Authorization of OASIS, and SAP's attributes of V2. The normal form
keeps each as text: whether callers rely on it is theirs to know, so a change is told, and not judged. What the normal
form has words of its own for (`Insertable`, `Computed`) is left out here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tillgate_contracts.reading.edmx_model import EdmxElement

PREFIX = "x-odata-says-"
_CAPABILITIES = (
    *("AcceptableEncodings", "AsynchronousRequestsSupported", "BatchSupport", "BatchSupported", "CallbackSupported"),
    *("ChangeTracking", "ComputeSupported", "ConformanceLevel", "CountRestrictions", "CrossJoinSupported"),
    *("CustomHeaders", "CustomQueryOptions", "DeepInsertSupport", "DeepUpdateSupport", "DeleteRestrictions"),
    *("ExpandRestrictions", "FilterFunctions", "FilterRestrictions", "FilterSegmentSupported", "IndexableByKey"),
    *("InsertRestrictions", "KeyAsSegmentSupported", "MediaLocationUpdateSupported", "ModificationQueryOptions"),
    *("NavigationRestrictions", "OperationRestrictions", "QuerySegmentSupported", "ReadRestrictions"),
    *("SearchRestrictions", "SelectSupport", "SkipSupported", "SortRestrictions", "SupportedFormats", "TopSupported"),
    "UpdateRestrictions",
)
_VALIDATION = (
    *("AllowedTerms", "AllowedValues", "ApplicableTerms", "Constraint", "DerivedTypeConstraint", "Exclusive"),
    *("ItemsOf", "MaxItems", "Maximum", "MinItems", "Minimum", "MultipleOf", "OpenPropertyTypeConstraint", "Pattern"),
)
_CORE = (
    *("AcceptableMediaTypes", "ComputedDefaultValue", "IsMediaType", "MediaType", "OptimisticConcurrency"),
    *("OptionalParameter", "Permissions", "RequiresExplicitBinding"),
)
_AUTHORIZATION = ("Authorizations", "SecuritySchemes")
_TERMS = frozenset((*_CAPABILITIES, *_VALIDATION, *_CORE, *_AUTHORIZATION))
_ATTRIBUTES = (
    *("HasStream", "m:HasStream", "ConcurrencyMode", "FixedLength", "Unicode", "m:FC_KeepInContent", "IsComposable"),
    *("sap:filterable", "sap:sortable", "sap:required-in-filter", "sap:filter-restriction", "sap:topable"),
    *("sap:countable", "sap:searchable", "sap:creatable-path", "sap:updatable-path", "sap:deletable-path"),
)
#: What is so where an attribute is not written: the same words again say nothing.
_USUAL = {
    **dict.fromkeys(("HasStream", "m:HasStream", "IsComposable", "sap:required-in-filter", "FixedLength"), "false"),
    **dict.fromkeys(("sap:filterable", "sap:sortable", "sap:topable", "sap:countable", "sap:searchable"), "true"),
    **dict.fromkeys(("Unicode", "m:FC_KeepInContent"), "true"),
    "ConcurrencyMode": "none",
}
#: The switches that decide which operations there are.
_SWITCHES = frozenset(("Readable", "Insertable", "Updatable", "Deletable"))


def limits_of(element: EdmxElement, annotations: Iterable[EdmxElement]) -> dict[str, str]:
    """What is said of an element, by keywords of the normal form that begin with PREFIX."""
    found = {
        PREFIX + name.replace("m:", "").replace(":", "-"): value
        for name in _ATTRIBUTES
        if (value := element[name].strip()) and value.lower() != _USUAL.get(name, "")
    }
    for annotation in annotations:
        term = annotation["Term"].rpartition(".")[2]
        said = "".join(_text(annotation)) if term in _TERMS else ""
        if said:
            qualifier = f"#{annotation['Qualifier']}" if annotation["Qualifier"] else ""
            found[f"{PREFIX}{term}{qualifier}"] = said
    return found


def _text(element: EdmxElement) -> Iterator[str]:
    """The value of an annotation as text: the same in whatever order its members are written."""
    for name in sorted(element.attributes.keys() - {"Term", "Qualifier", "Property"}):
        yield f"{name}={element[name].strip()};"
    if element.text.strip():
        yield element.text.strip()
    members = []
    for child in element.children:
        if child.kind == "Annotation" or (child.kind == "PropertyValue" and child["Property"] in _SWITCHES):
            continue
        inner = "".join(_text(child))
        if inner or child.kind not in ("Record", "Collection", "PropertyValue"):
            members.append(f"{child['Property'] or child.kind}({inner})")
    yield from sorted(members) if element.kind in ("Record", "Collection") else members
