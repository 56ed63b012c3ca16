namespace Kedge.Control.Store;

/// <summary>
/// On whose behalf a change is made. Changes of one lane are made in order, and lanes take turns, so that nobody waits behind everything that
/// somebody else has asked for.
/// </summary>
/// <param name="Id">The node's identifier, or a value that no node has.</param>
internal readonly record struct Lane(Guid Id)
{
    /// <summary>Administrators, and the controller's own work. It has every other turn.</summary>
    public static Lane Controller => default;

    /// <summary>Nodes that join.</summary>
    public static readonly Lane Joining = new(new Guid("ffffffff-ffff-ffff-ffff-ffffffffffff"));

    /// <summary>A node that has joined.</summary>
    public static Lane Of(Guid node) => new(node);
}
