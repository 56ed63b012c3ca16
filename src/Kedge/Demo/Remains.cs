using Kedge.Linux.Namespaces;

namespace Kedge.Demo;

/// <summary>
/// Removes what a <see cref="Topology"/> made, found by its names alone, so that it works for one whose process has died as well.
/// </summary>
internal static class Remains
{
    /// <summary>Where the UAPI sockets of all namespaces are.</summary>
    internal const string SocketFolder = "/var/run/wireguard";

    private static readonly TimeSpan GracePeriod = TimeSpan.FromSeconds(1);

    /// <summary>Removes everything on this machine whose owner <paramref name="isRemoved"/> condemns.</summary>
    public static void Remove(Func<Owner, bool> isRemoved)
    {
        bool IsOurs(string name) => Owner.OfName(name) is { } owner && isRemoved(owner);
        bool IsOurInterface(string name) => Owner.OfInterface(name) is { } owner && isRemoved(owner);

        Remove(
            NetworkNamespace.List("kedge-").Where(found => IsOurs(found.Name)).ToList(),
            FilesIn(SocketFolder).Select(Path.GetFileNameWithoutExtension).OfType<string>()
                .Concat(NamesOfInterfaces())
                .Where(IsOurInterface).Distinct().ToList());
        foreach (string folder in Directory.GetDirectories(Path.GetTempPath(), "kedge-*").Where(path => IsOurs(Path.GetFileName(path))))
            IgnoreAbsent(() => Directory.Delete(folder, recursive: true));
    }

    /// <summary>
    /// Ends what runs in these namespaces and removes them; removes the interfaces of this process's own namespace, and their sockets.
    /// </summary>
    public static void Remove(IReadOnlyList<NetworkNamespace> namespaces, IReadOnlyList<string> interfaces)
    {
        if (SendToAll(ProcessSignal.Terminate) && !Wait.TryUntil(() => !SendToAll(ProcessSignal.None), GracePeriod))
        {
            // Again and again: what forks while it is being killed leaves another one.
            string what = $"the end of the processes in {string.Join(", ", namespaces)}";
            Wait.Until(() => !SendToAll(ProcessSignal.Kill), 5 * GracePeriod, what);
        }
        foreach (NetworkNamespace one in namespaces)
            one.Delete();
        HashSet<string> here = [.. NamesOfInterfaces()];
        foreach (string name in interfaces)
        {
            if (here.Contains(name))
                RunningProcess.Run(new Command("ip", "link", "delete", name), "here", []);
            IgnoreAbsent(() => File.Delete(Path.Combine(SocketFolder, name + ".sock")));
        }

        bool SendToAll(ProcessSignal signal)
        {
            bool any = false;
            foreach (int processId in namespaces.SelectMany(one => one.ProcessIds()).Where(id => id != Environment.ProcessId))
                any |= ProcessSignals.Send(processId, signal);
            return any;
        }
    }

    private static IEnumerable<string> NamesOfInterfaces() =>
        Directory.GetDirectories("/sys/class/net").Select(path => Path.GetFileName(path));

    private static string[] FilesIn(string folder) => Directory.Exists(folder) ? Directory.GetFiles(folder) : [];

    private static void IgnoreAbsent(Action remove)
    {
        try
        {
            remove();
        }
        catch (DirectoryNotFoundException)
        {
            // Someone else has removed it first.
        }
    }
}
