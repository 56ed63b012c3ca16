namespace Kedge.Protocol.Offload;

/// <summary>What a packet means for those before and behind it.</summary>
internal enum SegmentKind
{
    /// <summary>It belongs to no flow that is joined: others may overtake it.</summary>
    Other,

    /// <summary>It may belong to any flow: nothing may overtake it.</summary>
    Unclear,

    /// <summary>It belongs to a flow, none of which may overtake it.</summary>
    StandsAlone,

    /// <summary>It belongs to a flow, and may be joined with packets of it.</summary>
    Joins,
}
