namespace Kedge.Fuzz;

/// <summary>Makes the input of a finding smaller and plainer for as long as it fails in the same way.</summary>
public static class Shrinker
{
    /// <summary>The smallest input found, with what it throws.</summary>
    /// <param name="target">The target that failed.</param>
    /// <param name="finding">What was found.</param>
    /// <param name="budget">How many inputs may be tried.</param>
    public static Finding Shrink(Target target, Finding finding, int budget = 20_000)
    {
        var trace = new Trace();
        Finding smallest = finding;
        bool progress = true;
        while (progress && budget > 0)
        {
            progress = false;
            for (int size = Math.Max(smallest.Input.Length / 2, 1); size >= 1; size /= 2)
            {
                for (int start = 0; start + size <= smallest.Input.Length;)
                {
                    if (!Accept([.. smallest.Input.AsSpan(0, start), .. smallest.Input.AsSpan(start + size)]))
                        start += size;
                }
            }
            for (int i = 0; i < smallest.Input.Length; i++)
                _ = smallest.Input[i] != 0 && (Accept(With(i, 0)) || (smallest.Input[i] > 1 && Accept(With(i, (byte)(smallest.Input[i] / 2)))));
        }
        return smallest;

        byte[] With(int index, byte value)
        {
            byte[] changed = [.. smallest.Input];
            changed[index] = value;
            return changed;
        }

        bool Accept(byte[] candidate)
        {
            if (budget-- <= 0)
                return false;
            trace.Begin();
            if (Campaign.Try(target, candidate, trace) is not { } failure || Finding.KindOf(failure) != finding.Kind)
                return false;
            smallest = new Finding(candidate, failure);
            return progress = true;
        }
    }
}
