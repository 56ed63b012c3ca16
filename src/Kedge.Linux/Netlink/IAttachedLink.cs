namespace Kedge.Linux.Netlink;

/// <summary>
/// An interface that this process is attached to by a descriptor. It stays the same when it is moved to another network namespace or
/// renamed, while the index and the name that it had may be another interface's by then.
/// </summary>
public interface IAttachedLink
{
    /// <summary>The name that the interface has now, in whichever namespace; null once it is gone. Any thread.</summary>
    string? CurrentName { get; }
}
