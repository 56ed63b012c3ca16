using Kedge.Linux;

namespace Kedge.Node.Routing;

/// <summary>Changes to the kernel one after another: one that is refused keeps none of the others from being made.</summary>
internal sealed class KernelChanges
{
    private readonly List<string> _failures = [];

    /// <summary>What was added.</summary>
    public RoutingAdditions Added { get; private set; }

    /// <summary>What was refused.</summary>
    public IReadOnlyList<string> Failures => _failures;

    /// <summary>Makes a change.</summary>
    /// <param name="added">What it adds.</param>
    /// <param name="change">The change.</param>
    /// <returns>Whether it was made.</returns>
    public bool Try(RoutingAdditions added, Action change)
    {
        try
        {
            change();
            Added += added;
            return true;
        }
        catch (LinuxException e)
        {
            _failures.Add(e.Message);
            return false;
        }
    }
}
