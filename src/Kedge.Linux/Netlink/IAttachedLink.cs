namespace Kedge.Linux.Netlink;

/// <summary>
/// An interface that this process is attached to by a descriptor. It stays the same when it is moved to another network namespace or
/// renamed, while the index and the name that it had may be another interface's by then.
/// </summary>
public interface IAttachedLink
{
    /// <summary>The name that the interface has now, in whichever namespace; null once it is gone. Any thread.</summary>
    string? CurrentName { get; }

    /// <summary>
    /// Runs an action on a thread in the network namespace in which the interface is now, under the rules of
    /// <see cref="Namespaces.NetworkNamespace.Run{T}"/>. Any thread.
    /// </summary>
    /// <returns>Whether it has run: false where the kernel does not tell the namespace, which takes Linux 5.0 and rights in it.</returns>
    /// <exception cref="LinuxException">This process may not enter the namespace, or the action threw this.</exception>
    bool TryRunInside(Action action);
}
